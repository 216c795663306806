"""The forms in which an ETag of ours comes back through proxies that compress."""

from collections.abc import Callable, Mapping

# By the proxy that makes it. nginx 1.22 and Apache 2.4 were seen to; the others are documented.
FORMS: Mapping[str, Callable[[str], str]] = {
    "unchanged": lambda etag: etag,
    "nginx": lambda etag: f"W/{etag}",
    "Apache mod_deflate": lambda etag: f'{etag[:-1]}-gzip"',
    "semicolon": lambda etag: f'{etag[:-1]};gzip"',
    "Apache mod_brotli": lambda etag: f'{etag[:-1]}-br"',
    "Jetty": lambda etag: f'{etag[:-1]}--gzip"',
    "Caddy": lambda etag: f'{etag[:-1]}-zstd"',
    "Apache behind nginx": lambda etag: f'W/{etag[:-1]}-gzip"',
    "semicolon, made weak": lambda etag: f'W/{etag[:-1]};gzip"',
    "mod_brotli, made weak": lambda etag: f'W/{etag[:-1]}-br"',
    "two in a row": lambda etag: f'{etag[:-1]}-gzip-br"',
}
# What looks like a form and is another tag.
OTHERS: Mapping[str, Callable[[str], str]] = {
    "no suffix of a proxy": lambda etag: f'{etag[:-1]}-x"',
    "suffix and more": lambda etag: f'{etag[:-1]}-gzipx"',
    "suffix before the tag": lambda etag: f'"gzip-{etag[1:]}',
    "another version": lambda etag: f'{etag[:-1]}0"',
    "another version, compressed": lambda etag: f'{etag[:-1]}0-gzip"',
    "without its end": lambda etag: f'{etag[:-2]}"',
    "quoted twice": lambda etag: f'W/"{etag}"',
    "too many suffixes": lambda etag: f'{etag[:-1]}-gzip-gzip-gzip-gzip"',
    "foreign": lambda etag: '"x"',
}
