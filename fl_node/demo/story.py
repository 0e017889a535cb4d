"""The story, chapter by chapter; each chapter is what a consortium would do, and shows what came of it."""

import asyncio
import contextlib
import resource
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

from fl_node import codes
from fl_node.commands.blobs import fetch
from fl_node.demo import comparison, poisoning, privacy, regulator
from fl_node.demo import federation as admins
from fl_node.demo.attacks import LABEL_FLIP, with_labels_flipped
from fl_node.demo.compiling import compiled, compiled_path
from fl_node.demo.options import Options
from fl_node.demo.report import Report
from fl_node.demo.rounds import TRAINING, Drops, phases_table, run_rounds
from fl_node.demo.stage import Stage
from fl_node.errors import NodeError
from fl_node.examples.shares import write_shares
from fl_node.plan.container import load_plan
from fl_node.plan.frameworks import BY_WORD
from fl_node.plan.summary import promised
from network import contract_codes

MB = 1 << 20
EXPOSURE = (
    "What it exposed (threat T27): sums of two rounds whose survivors differ by few tell those few's updates apart, "
    "approximately. Secure aggregation does not prevent that; only noise, or sitting out, does."
)


class Story:
    """One run of the demonstration."""

    def __init__(self, options: Options, report: Report) -> None:
        self.options = options
        self.report = report
        self.stage = Stage(options, report)
        self.plan = options.plan or compiled_path(options.source, options.building)
        self.data: Mapping[str, Path] = {}

    async def tell(self) -> None:
        """Tell all of it.

        Raises:
            FedledgerError: something did not go as it should; FL4601 where the story itself noticed.
        """
        report, options = self.report, self.options
        report.record["options"] = {"rounds": options.rounds, "participants": options.participants}
        async with contextlib.AsyncExitStack() as stack:
            with report.chapter("The network", "network") as found:
                await stack.enter_async_context(self.stage.network())
                compiling = stack.enter_context(
                    cancelled_at_end(compiled(options.source, BY_WORD[options.framework], self.plan, options.building))
                )
                found.update({"kind": "fabric" if options.fabric else "devnet", "organisations": [*options.names]})
                kind = "real Hyperledger Fabric" if options.fabric else "devnet, an embedded Fabric-compatible network"
                who = f"{options.participants} {options.shown.who}s and a regulator"
                report.say(f"{kind}: {who}, each with its own peer")
            await self._live(compiling)

    async def _live(self, compiling: asyncio.Task[None]) -> None:
        options, report = self.options, self.report
        title = f"The data: each {options.shown.who} its own, of unequal size and balance"
        with report.chapter(title, "data") as found:
            self.data = await asyncio.to_thread(self._deal)
            found["paths"] = {name: str(path) for name, path in self.data.items()}
            await self.stage.start_nodes(self.data)
            await compiling
        async with admins.opened(options.run) as federation:
            plan = await self._found(federation)
            await poisoning.introduce(federation, options, report)
            with report.chapter(f"Training, rounds 1 to {options.rounds}", "training") as found:
                rounds, drops, fraud = await run_rounds(self.stage, federation, report, plan, options)
                report.record["rounds"] = rounds
                found["memory_mb"] = self.stage.memory() // MB
                report.console.print(phases_table(rounds))
            if options.drops:
                self._dropouts(rounds, drops)
            self._fraud(fraud.outcome)
            await self._contributed(federation, rounds)
            await privacy.accounted(federation, options, plan, report)
            await self._rewards(federation)
            await self._worth(federation, rounds)
        await self._regulator()
        self._where_next()

    async def _found(self, federation: admins.Federation) -> str:
        report = self.report
        with report.chapter("Founding: equal founders, a first beacon that nobody chose", "founding") as found:
            found.update(await federation.found())
            report.say(f"founded by {', '.join(found['founders'])}; beacon {found['beacon'][:16]}…")
        with report.chapter(f"Vetting: every {self.options.shown.who} applies, the others vote", "vetting") as found:
            profiles = await federation.apply(self.plan, self.data)
            decided = await federation.vet()
            found.update({"profiles": profiles, "votes": [len(decision["votes"]) for decision in decided]})
            rows = [
                (name, p["rows"], p["labels"], d["status"], len(d["votes"]))
                for (name, p), d in zip(profiles.items(), decided, strict=True)
            ]
            report.table(("participant", "rows", "by label", "decision", "votes"), rows)
        await privacy.introduce(federation, self.options, report)
        with report.chapter("The plan: what is trained is what was voted on", "plan") as found:
            found["plan"] = digest = await federation.register(self.plan)
            report.say(f"{self.plan.name} is {digest}; every node fetches it and starts its framework")
            found["privacy"] = await asyncio.to_thread(lambda: promised(load_plan(self.plan).manifest))
            if found["privacy"]:
                report.say(f"differential privacy: {found['privacy']}")
            await self.stage.warm(digest)
        return digest

    def _deal(self) -> dict[str, Path]:
        if self.options.data is not None:
            return {name: _own(self.options.data, name) for name in self.options.names}
        dealt = write_shares(self.options.example, self.options.run / "shares", self.options.names)
        if self.options.attack == LABEL_FLIP:
            faulty = self.options.attacker
            dealt[faulty] = with_labels_flipped(dealt[faulty], self.options.run / "shares" / "_flipped")
        return dealt

    def _dropouts(self, rounds: list[dict[str, Any]], drops: Drops) -> None:
        with self.report.chapter("A dropout: killed after it had shared its keys", "dropout") as found:
            found["killed"] = drops.killed
            for killed in drops.killed:
                attempts = [r for r in rounds if r["round"] == killed["round"]]
                found["attempts"] = [
                    {
                        "attempt": r["attempt"],
                        "status": r["status"],
                        "survivors": r["survivors"],
                        "void_reason": r["void_reason"],
                    }
                    for r in attempts
                ]
                self.report.say(f"{killed['node']} was killed in round {killed['round']} before {killed['phase']}")
            for record in found.get("attempts", ()):
                reason = f" ({record['void_reason']})" if record["void_reason"] else ""
                who = ", ".join(record["survivors"])
                self.report.say(f"attempt {record['attempt']}: {record['status']}{reason}, survivors {who}")
            exposures = [(r["round"], name, n) for r in rounds for name, n in r["exposure"].items()]
            found["exposure"] = [{"round": r, "participant": name, "difference": n} for r, name, n in exposures]
            if exposures:
                self.report.say(EXPOSURE)
                self.report.table(("round", "participant", "smallest difference"), exposures)

    def _fraud(self, outcome: dict[str, Any]) -> None:
        with self.report.chapter("A fraud: the aggregator proposes the sum with one bit changed", "fraud") as found:
            found.update(outcome)
            if not outcome:
                raise NodeError(codes.DEMO_FAILED, "the fraud found no moment to be tried")
            self.report.say(f"{outcome['aggregator']} in round {outcome['round']}: {outcome['answer']}")
            answers = [(name, verdict.partition(":")[0]) for name, verdict in outcome["endorsers"].items()]
            self.report.table(("endorser asked", "verdict"), answers)
            self.report.say(
                f"{outcome['reporter']} reports the signed payload; endorsers check it again: {outcome['report']}"
            )
            if outcome["code"] != contract_codes.AGGREGATE_MISMATCH or "accepted" in outcome["endorsers"].values():
                raise NodeError(codes.DEMO_FAILED, "a forged aggregate was endorsed", where=str(outcome["endorsers"]))

    async def _contributed(self, federation: admins.Federation, rounds: list[dict[str, Any]]) -> None:
        last = [record for record in rounds if record["status"] == "Final"][-1]
        view = await federation.first.round(TRAINING, last["round"], last["attempt"])
        assert view, "it was watched"
        poisoning.contributed(self.report, view)

    async def _rewards(self, federation: admins.Federation) -> None:
        with self.report.chapter("Rewards and reputation", "rewards") as found:
            ledger = federation.first
            await settled(federation, self.options.rounds)
            participants = await ledger.everything("ListParticipants")
            rows = []
            for item in participants:
                balance = (await ledger.query("BalanceOf", account=item["msp_id"]))["balance"]
                score = item["score"]
                found[item["participant"]] = {"balance": balance, "stake": item["stake"], **score}
                rows.append(
                    (
                        item["participant"],
                        balance,
                        item["stake"],
                        f"{score['reputation_ppm'] / 1e4:.1f} %",
                        score["finished"],
                        score["dropouts"],
                        score["faults"],
                    )
                )
            columns = ("participant", "balance", "stake", "reputation", "finished", "dropouts", "faults")
            self.report.table(columns, rows)

    async def _worth(self, federation: admins.Federation, rounds: list[dict[str, Any]]) -> None:
        with self.report.chapter("What it was worth, on held-out rows of all", "accuracy") as found:
            final = [record for record in rounds if record["status"] == "Final"]
            name = next(iter(federation.admins))
            state = await fetch(self.options.run, name, final[-1]["state_digest"])
            everything = self.options.data or self.options.run / "shares"
            alone = {} if self.options.attack else self.data
            measured = await asyncio.to_thread(comparison.compare, self.plan, state, alone, everything, len(final))
            if self.options.attack:
                asked = (self.options, self.plan, self.data, everything, len(final))
                measured |= await asyncio.to_thread(poisoning.plain_sums, *asked)
            example = self.options.shown if self.options.plan is None else None
            found["measured"], scores = comparison.scores(measured, example, self.options.framework)
            found.update(scores)
            self.report.table(("model", found["measured"]), comparison.table(found["measured"], scores))

    async def _regulator(self) -> None:
        with self.report.chapter("The regulator, from its own peer", "regulator") as found:
            found.update(await regulator.look(self.options.run))
            self.report.say(
                f"sees {len(found['participants'])} participants, {found['votes']} votes, "
                f"{len(found['lineage'])} steps of the model's lineage, {len(found['flags'])} flags"
            )
            for flag in found["flags"]:
                self.report.say(f"  round {flag['round']}: {flag['participant']} {flag['kind']}")
            self.report.say(f"tries to write: {found['write']}")
            if found["write"] == "written":
                raise NodeError(codes.DEMO_FAILED, "the regulator could write")
        if self.options.audit:
            with self.report.chapter("The audit, from blocks alone", "audit") as found:
                found.update(await regulator.audit(self.options.run))
                self._verdict(found)

    def _verdict(self, found: dict[str, Any]) -> None:
        if not found.get("ok"):
            raise NodeError(
                codes.DEMO_FAILED, f"the audit found a breach: {found.get('failures') or found.get('error')}"
            )
        checks = sum(rule["times"] for rule in found["held"])
        self.report.say(
            f"[green]verdict {found['verdict']}[/]: {found['height']} blocks, {found['transactions']} transactions, "
            f"{checks} checks of {len(found['held'])} rules, none failed"
        )
        for gap in found["unchecked"]:
            self.report.say(f"  not checked: {gap['text']}")

    def _where_next(self) -> None:
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
        self.report.record["largest_child_mb"] = peak
        self.report.console.rule("[bold]Where to look next", align="left")
        first = self.options.names[0]
        for command in (
            f"export FEDLEDGER_RUN={self.options.run}",
            f"fedledger train status {TRAINING} --org {first}",
            f"fedledger model export {TRAINING} --org {first} --out model",
            f"fedledger node doctor --org {first}",
            "fedledger audit report --blocks $FEDLEDGER_RUN/audit --blobs $FEDLEDGER_RUN/blobs --out report.html",
            "fedledger dashboard --blobs $FEDLEDGER_RUN/blobs",
        ):
            self.report.say(f"  {command}")
        if not self.options.keep:
            self.report.say("  (with --keep the network stays up for these)")


@contextlib.contextmanager
def cancelled_at_end(work: Coroutine[Any, Any, None]) -> Iterator[asyncio.Task[None]]:
    """Start something beside the story; what it has not ended when the story ends is cancelled."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()


async def settled(federation: admins.Federation, rounds: int) -> None:
    """Wait until the last round's rewards are in the balances; whoever comes first settles them."""
    for number in range(1, rounds + 1):
        while True:
            try:
                await federation.first.submit("Settle", training=TRAINING, round=number)
            except NodeError as error:
                if error.code == contract_codes.ALREADY_SETTLED:
                    break
                raise


def _own(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.csv", folder / f"{name}.parquet"):
        if path.exists():
            return path
    raise NodeError(
        codes.INPUT_UNUSABLE, f"no data of {name}", where=str(folder), hint=f"Put {name}.csv or a folder {name} there."
    )
