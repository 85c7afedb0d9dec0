# How contenders are timed and compared. Sourced by scripts/bench.
# shellcheck shell=sh

has() { command -v "$1" >/dev/null; }

# contender NAME COMMAND: one more line of the table, if the command works here.
contender() {
  if sh -c "$2" >"$tmp/log" 2>&1; then
    printf '%s\n' "$1" "$2" >>"$tmp/contenders"
  else
    say "left out, since it does not run here: $1: $(tail -n 1 "$tmp/log")"
  fi
}

# race NAME [OPTION...]: times the contenders and prints their table; the first is what the others are measured by.
race() {
  json=dist/bench-$1.json
  shift
  while IFS= read -r name && IFS= read -r command; do
    set -- "$@" --command-name "$name" "$command"
  done <"$tmp/contenders"
  rm "$tmp/contenders"
  hyperfine -N --style none --export-json "$json" "$@" >/dev/null
  jq -r '.results[0].median as $first | "", "| what | median, ms | times the first |", "| --- | ---: | ---: |",
    (.results[] | "| \(.command) | \(.median * 10000 | round / 10) | \(.median / $first * 100 | round / 100) |"), ""' "$json"
}

# target RACE CONTENDER FACTOR BASE [ASIDE]: how the contender stands to another of its race; without the time of a third,
# which is not to count.
target() {
  jq -r --arg name "$2" --argjson factor "$3" --arg base "$4" --arg aside "${5:-}" '
    (.results | map({ (.command): .median }) | add) as $median
    | if $median[$name] == null or $median[$base] == null then "\($name): not compared with \($base)"
      else (($median[$name] - ($median[$aside] // 0)) / $median[$base]) as $ratio
      | "\($name)\(if $aside == "" then "" else ", less \($aside)" end): \($ratio * 100 | round / 100) times \($base), "
        + "target \($factor): \(if $ratio <= $factor then "met" else "missed" end)"
      end' "dist/bench-$1.json"
}
