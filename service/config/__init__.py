"""What operators set: `settings` is where to start reading. Nothing else reads the environment."""

from service.config.environment import ConfigurationError
from service.config.settings import ConfigType, LogFormat, Settings

__all__ = ["ConfigType", "ConfigurationError", "LogFormat", "Settings"]
