"""Mulan: ARFF files with the label names in an XML file beside them (http://mulan.sourceforge.net/format.html)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlbench.data.dataset import Dataset
from mlbench.data.formats.arff import SUFFIXES, Arff
from mlbench.data.formats.arff_dataset import TAKES, read_arff_dataset
from mlbench.data.formats.arff_text import LABEL_COUNT, unescape
from mlbench.data.formats.base import (
    Format,
    ReadOptions,
    bare_stem,
    files_in,
    has_suffix,
    listed,
    one_line,
    one_of,
    shown,
)
from mlbench.data.formats.meka import find
from mlbench.data.formats.parts import family_of
from mlbench.errors import DataError


def _recognises(path: Path) -> bool:
    if has_suffix(path, SUFFIXES):
        return _xml_beside(path) is not None
    return bool(files_in(path, SUFFIXES) and files_in(path, (".xml",)))


def _read(parts: Mapping[str, Path], name: str, options: ReadOptions) -> Dataset:
    train = parts["train"]
    xmls = files_in(train.parent, (".xml",))
    expected = f"XML files, none of them {family_of(bare_stem(train))}.xml"
    xml = _xml_beside(train) or one_of(xmls, train.parent, expected)
    names = _label_names(xml)
    return read_arff_dataset(name, parts, lambda arff: (xml.name, _columns(arff, names, xml.name)), options)


def _xml_beside(arff: Path) -> Path | None:
    """Find ``yeast.xml`` for ``yeast.arff`` and for ``yeast-train.arff``."""
    candidates = [arff.with_name(f"{stem}.xml") for stem in (bare_stem(arff), family_of(bare_stem(arff)))]
    return next((xml for xml in candidates if xml.is_file()), None)


def _label_names(xml: Path) -> list[str]:
    """Read the names from ``<label name="…">``, including nested elements.

    Raises:
        DataError: The file is not XML, declares entities, or has no labels.
    """
    import defusedxml
    from defusedxml.ElementTree import ParseError, parse

    try:
        elements = list(parse(xml).iter())
    except defusedxml.DefusedXmlException as error:
        raise DataError(f"{xml.name}: the XML declares entities, which are refused: write the names out") from error
    except (ParseError, ValueError, LookupError) as error:
        raise DataError(f"{xml.name}: not valid XML: {one_line(error)}") from error
    labels = [element for element in elements if str(element.tag).rpartition("}")[2] == "label"]
    names = [element.get("name") for element in labels]
    if not names or None in names:
        raise DataError(f'{xml.name}: no label names: expected <label name="…"> elements')
    found = [str(name) for name in names]
    if twice := next((name for name in found if found.count(name) > 1), None):
        raise DataError(f"{xml.name}: label {shown(twice)} stands twice: name each label once")
    return found


def _columns(arff: Arff, names: list[str], xml: str) -> list[str]:
    """Return the label columns in the order of the ARFF header, whatever the order of the XML."""
    # Mulan's own XML files keep the backslashes that ARFF puts before quotes; others do not.
    place = {attribute.name: j for j, attribute in enumerate(arff.attributes)}
    missing = [name for name in names if name not in place and unescape(name) not in place]
    said = LABEL_COUNT.search(arff.relation)
    if said and abs(int(said[1])) != len(names):
        raise DataError(
            f"{xml} names {len(names)} labels, but -C {said[1]} in the @relation of {arff.file} counts "
            f"{abs(int(said[1]))}: correct one of them"
        )
    if missing:
        count = f"{len(missing)} of {len(names)} labels of {xml} are not columns of {arff.file}"
        raise DataError(f"{count}, the first is {shown(missing[0])}: do the two files belong together? {_hint(arff)}")
    found = {name if name in place else unescape(name) for name in names}
    return [name for name in arff.names if name in found]


def _hint(arff: Arff) -> str:
    return f"Its last columns are {listed(a.name for a in arff.attributes[-3:])}"


FORMAT = Format(
    name="Mulan",
    describe="NAME-train.arff and NAME-test.arff, or NAME.arff, with the labels in NAME.xml",
    recognises=_recognises,
    find=find,
    read=_read,
    takes=TAKES,
)
