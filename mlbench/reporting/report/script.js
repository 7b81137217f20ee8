/* Sorting of tables, and the heat map of labels. */

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => {
    head.querySelector("button")?.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const number = head.classList.contains("number");
      // Numbers sort in descending order first; ranks and names in ascending order.
      const first = number && column > 0 ? "descending" : "ascending";
      const now = before === null ? first : before === "ascending" ? "descending" : "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", now);
      const sign = now === "ascending" ? 1 : -1;
      const keyed = [...body.rows].map((row) => [row.cells[column].dataset.v ?? "", row]);
      keyed.sort(([a], [b]) => {
        if (a === "" || b === "") return (a === "") - (b === ""); // empty cells stay last
        return sign * (number ? a - b : a.localeCompare(b, "en"));
      });
      body.append(...keyed.map(([, row]) => row));
    });
  });
}

function heatMap(table) {
  const readout = table.closest(".scroll").previousElementSibling;
  const hint = readout.textContent;
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  let current = table.querySelector("td.cell");

  const tell = (cell) => {
    const row = cell.parentElement;
    const best = row.lastElementChild.textContent;
    const ap = cell.dataset.ap ? `AP ${cell.dataset.ap}` : "no AP";
    readout.textContent = `${row.cells[0].textContent} × ${names[cell.cellIndex]}: ${ap}. `
      + `Positives: ${row.cells[1].textContent} in train, ${row.cells[2].textContent} in test. Best: ${best}.`;
  };
  const go = (cell) => {
    current.tabIndex = -1;
    current = cell;
    cell.tabIndex = 0; // the whole map is one tab stop
  };
  if (!current) return;
  go(current);
  table.addEventListener("pointerover", (event) => {
    const cell = event.target.closest("td.cell");
    if (cell) tell(cell);
  });
  table.addEventListener("pointerleave", () => {
    if (document.activeElement === current) tell(current);
    else readout.textContent = hint;
  });
  table.addEventListener("focusin", (event) => {
    const cell = event.target.closest("td.cell");
    if (!cell) return;
    go(cell);
    tell(cell);
  });
  table.addEventListener("focusout", () => { readout.textContent = hint; });
  table.addEventListener("click", (event) => {
    const cell = event.target.closest("td.cell");
    if (cell) { go(cell); cell.focus(); }
  });
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td.cell");
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!cell || !move) return;
    event.preventDefault();
    const row = cell.parentElement;
    const next = move[0] < 0 ? row.previousElementSibling : move[0] > 0 ? row.nextElementSibling : row;
    const target = next?.cells[cell.cellIndex + move[1]];
    if (target?.classList.contains("cell") && target.offsetParent !== null) { go(target); target.focus(); }
  });
}

function showAll(button) {
  const table = document.getElementById(button.getAttribute("aria-controls"));
  button.addEventListener("click", () => {
    const all = table.classList.toggle("all");
    button.setAttribute("aria-expanded", String(all));
    button.textContent = all ? button.dataset.few : button.dataset.all;
  });
}

document.documentElement.classList.add("js");
const data = JSON.parse(document.getElementById("data").textContent);
document.querySelectorAll("table.board").forEach(sortable);
document.querySelectorAll("table.heat").forEach(heatMap);
document.querySelectorAll("button.more").forEach(showAll);
for (const figure of document.querySelectorAll("figure.chart")) new Chart(figure, data.boards[figure.dataset.board]);
