"""A contract's program that is started again when it ends by itself.

The shell that does so is the process that `network up` knows: both are in one session, and a signal to it reaches both.
"""

from collections.abc import Sequence

SHELL = "/bin/sh"
LONGEST_S = 30
"""How long is waited at most; a program that ran for as long is started at once when it ends."""
# A program that ends within half a second of its first start is not started again: its start has failed, and who starts
# it is told so. Afterwards it is, at once and then after 1, 2, 4 … seconds.
SCRIPT = f"""\
now() {{
  if read -r up _ 2>/dev/null </proc/uptime; then echo "${{up%.*}}${{up#*.}}"; else date +%s00; fi
}}
wait=0 first=yes
while :; do
  begun=$(now)
  "$0" "$@"
  status=$?
  lived=$(($(now) - begun))
  [ $first = yes ] && [ $lived -lt 50 ] && exit $status
  first=no
  [ $lived -ge {LONGEST_S}00 ] && wait=0
  echo "{{\\"level\\":\\"error\\",\\"event\\":\\"program ended\\",\\"status\\":$status,\\"again_in_s\\":$wait}}"
  sleep $wait
  wait=$((wait ? wait * 2 : 1))
  [ $wait -gt {LONGEST_S} ] && wait={LONGEST_S}
done
"""


def kept(command: Sequence[str]) -> tuple[str, ...]:
    """Return the command that runs a program and starts it again when it ends."""
    return (SHELL, "-c", SCRIPT, *command)
