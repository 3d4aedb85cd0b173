"""Print requirements.lock: the installed version of everything that the kit with its extras lab and
test pulls in, by name.
"""

from __future__ import annotations

from importlib import metadata

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HEADER = (
    "# What `make` installs and CI tests: written by `make lock`."
    " Bounds for everybody else are in pyproject.toml.\n"
)
EXTRAS = ("lab", "test")


def closure(name: str = "tutorial-lib", extras: tuple[str, ...] = EXTRAS) -> dict[str, str]:
    """Canonical name -> version of every installed requirement of ``name[extras]``, direct or not,
    itself left out.
    """
    found: dict[str, str] = {}
    todo, seen = [(canonicalize_name(name), extras)], set()
    while todo:
        package, wanted = todo.pop()
        if (package, wanted) in seen:
            continue
        seen.add((package, wanted))
        # 2.13.0+cpu and 2.13.0 are one release
        found[package] = metadata.version(package).split("+")[0]
        for line in metadata.requires(package) or []:
            requirement = Requirement(line)
            environments = [default_environment() | {"extra": extra} for extra in ("", *wanted)]
            if requirement.marker is None or any(map(requirement.marker.evaluate, environments)):
                todo.append(
                    (canonicalize_name(requirement.name), tuple(sorted(requirement.extras)))
                )
    del found[canonicalize_name(name)]
    return found


def lock() -> str:
    """The text of requirements.lock for this environment."""
    return HEADER + "".join(f"{name}=={version}\n" for name, version in sorted(closure().items()))


if __name__ == "__main__":
    print(lock(), end="")
