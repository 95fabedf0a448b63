"""TLS between a gateway and our other machines, from the settings."""

import ssl

from config import remote
from config.settings import Settings
from domain.errors import ConfigurationError


def server_tls(settings: Settings) -> ssl.SSLContext | None:
    """The entrance's certificate; None on loopback without one. Raises ConfigurationError for files that do not fit."""
    if settings.gateway_cert is None or settings.gateway_cert_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for name, path in (("CERT", settings.gateway_cert), ("CERT_KEY", settings.gateway_cert_key)):
        try:
            path.open("rb").close()
        except OSError as e:
            raise ConfigurationError(
                f"TIERCEL_GATEWAY_{name}: cannot read {path} ({e.strerror}); check the path and its permissions"
            ) from e
    try:
        context.load_cert_chain(settings.gateway_cert, settings.gateway_cert_key, password="")
    except (ssl.SSLError, ValueError) as e:
        raise ConfigurationError(
            f"TIERCEL_GATEWAY_CERT: {settings.gateway_cert} and {settings.gateway_cert_key} are no certificate and its key"
            " without a password, in PEM; write both files anew"
        ) from e
    return context


def client_tls(settings: Settings) -> ssl.SSLContext | None:
    """How the other gateway is checked; None on loopback without TLS. Raises ConfigurationError."""
    if not remote.far_place(settings.gateway_url)[2]:
        return None
    try:
        return ssl.create_default_context(cafile=str(settings.gateway_ca) if settings.gateway_ca else None)
    except (OSError, ssl.SSLError) as e:
        raise ConfigurationError(
            f"TIERCEL_GATEWAY_CA: {settings.gateway_ca} cannot be read as a certificate in PEM; write the file anew"
        ) from e
