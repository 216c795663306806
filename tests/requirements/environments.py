"""The interpreters and machines for which the requirement files are checked."""

from collections.abc import Iterator
from dataclasses import dataclass

MINORS = ("3.11", "3.12", "3.13", "3.14")
# Markers compare with a patch release in one direction, so the two ends cover those between.
PATCHES = (0, 20)
# sys_platform, os_name, platform_system, platform_machine; uv's name of the platform.
MACHINES = {
    "x86_64-manylinux_2_28": ("linux", "posix", "Linux", "x86_64"),
    "aarch64-manylinux_2_28": ("linux", "posix", "Linux", "aarch64"),
    "x86_64-apple-darwin": ("darwin", "posix", "Darwin", "x86_64"),
    "aarch64-apple-darwin": ("darwin", "posix", "Darwin", "arm64"),
    "x86_64-pc-windows-msvc": ("win32", "nt", "Windows", "AMD64"),
}


@dataclass(frozen=True)
class Environment:
    """CPython of one version on one machine."""

    minor: str
    patch: int
    machine: str  # a key of MACHINES

    def __str__(self) -> str:
        return f"Python {self.full_version} on {self.machine}"

    @property
    def full_version(self) -> str:
        return f"{self.minor}.{self.patch}"

    def markers(self, extra: str = "") -> dict[str, str]:
        """Return a value for each variable of the specification of environment markers."""
        sys_platform, os_name, system, machine = MACHINES[self.machine]
        return {
            "extra": extra,
            "implementation_name": "cpython",
            "implementation_version": self.full_version,
            "os_name": os_name,
            "platform_machine": machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": system,
            "platform_version": "",
            "python_full_version": self.full_version,
            "python_version": self.minor,
            "sys_platform": sys_platform,
        }


def environments() -> Iterator[Environment]:
    """Yield every environment, Linux first."""
    for machine in MACHINES:
        for minor in MINORS:
            for patch in PATCHES:
                yield Environment(minor, patch, machine)
