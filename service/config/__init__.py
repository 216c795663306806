"""The configuration. Start reading at `settings`; no other package reads the environment."""

from service.config.environment import ConfigurationError
from service.config.settings import ConfigType, LogFormat, Settings

__all__ = ["ConfigType", "ConfigurationError", "LogFormat", "Settings"]
