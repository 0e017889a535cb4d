"""The `fedledger` command."""

import typer

from network.cli import identity, network

app = typer.Typer(no_args_is_help=True, help="Federated learning between organisations that do not trust one another.")
app.add_typer(network, name="network")
app.add_typer(identity, name="identity")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
