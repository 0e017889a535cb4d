"""Brings an authority's answers to an organisation's two authorities, and what they answered into its folder."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from network import codes
from network.ca.by_files import AuthorityByFiles, AwaitedError
from network.ca.importing import Imported, Material, import_into
from network.errors import NetworkError
from network.identities import OrganisationIdentities


def bring(identities: OrganisationIdentities, files: Sequence[Path]) -> Imported:
    """Import files, and put what is complete in place; a folder among them stands for its files.

    Raises:
        NetworkError: FL1094 if something does not fit, FL1015 if neither authority answers by files.
    """
    authorities = [each for each in (identities.signing, identities.tls) if isinstance(each, AuthorityByFiles)]
    if not authorities:
        message = "no authority of this organisation answers by files"
        raise NetworkError(codes.IDENTITY_REFUSED, message, where=str(identities.folder))
    paths = [path for each in files for path in (sorted(each.iterdir()) if each.is_dir() else [each])]
    material = Material.read(paths)
    done = [import_into(each, material) for each in authorities]
    with contextlib.suppress(AwaitedError):  # what waits is returned
        identities.create()
    answered = sorted(name for each in done for name in each.answered)
    return Imported(tuple(answered), tuple(sorted(name for each in done for name in each.awaited)))
