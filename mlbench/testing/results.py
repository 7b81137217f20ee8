"""What a check says, in the words of scikit-learn's ``check_estimator``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["passed", "failed", "skipped", "xfail"]


class SkipCheck(Exception):  # noqa: N818
    """A check does not apply to a spec; its message says why."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The result of one check.

    Attributes:
        name: Name of the check.
        status: ``"passed"``, ``"failed"``, ``"skipped"``, or ``"xfail"`` if it failed as declared.
        exception: What the check raised, or None.
        expected_to_fail: Whether the failure was declared. A check that passes although its failure was declared
            has failed: the declaration is out of date.
        reason: What the check asks for; why it was skipped or may fail, where that is known.
    """

    name: str
    status: Status
    exception: BaseException | None = None
    expected_to_fail: bool = False
    reason: str = ""


def run_checks(
    checks: Iterable[Callable[[Any], None]], spec: Any, expected_failed_checks: Mapping[str, str]
) -> list[CheckResult]:
    """Run checks on a spec and return their results, in order.

    Args:
        checks: The checks.
        spec: What they look at.
        expected_failed_checks: By name of a check, why it may fail.

    Raises:
        ValueError: A declared name is no check.
    """
    known = {check.__name__: check for check in checks}
    if unknown := expected_failed_checks.keys() - known.keys():
        raise ValueError(f"no such checks: {', '.join(sorted(unknown))}")
    return [_run(name, check, spec, expected_failed_checks.get(name)) for name, check in known.items()]


def _run(name: str, check: Callable[[Any], None], spec: Any, declared: str | None) -> CheckResult:
    reason = (check.__doc__ or "").partition("\n")[0]
    expected = declared is not None
    try:
        check(spec)
    except SkipCheck as skip:
        return CheckResult(name=name, status="skipped", expected_to_fail=expected, reason=str(skip))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may even call sys.exit
        status: Status = "xfail" if expected else "failed"
        return CheckResult(
            name=name, status=status, exception=error, expected_to_fail=expected, reason=declared or reason
        )
    if expected:
        reason = f"it passes, though it was expected to fail: {declared}"
        return CheckResult(name=name, status="failed", expected_to_fail=True, reason=reason)
    return CheckResult(name=name, status="passed", reason=reason)
