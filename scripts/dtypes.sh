#!/bin/sh
# Trains the same model from the same seed in each dtype and compares the curves: the running loss (mean of the last 50
# steps) at some steps, and the held-out loss of the end, which is that of the last tenth of the text.
#
#   scripts/dtypes.sh FILE OUT [options of alambic train]
set -eu
cd "$(dirname "$0")/.."
data=$1 out=$2
shift 2
[ -n "$data" ] || { echo "dtypes: give a text: make dtypes DATA=FILE" >&2; exit 64; }
alambic=.build/debug/alambic
mkdir -p "$out"
size=$(wc -c <"$data")
tail -c $((size / 10)) "$data" >"$out/held.txt"
for dtype in f32 bf16 int8-mixed f16; do
    rm -rf "${out:?}/$dtype"
    "$alambic" train --data "$data" --model nanogpt-cpu --tokenizer characters --steps 500 --batch 12 --seed 1 \
        "$@" --dtype "$dtype" --out "$out/$dtype" >"$out/$dtype.train" 2>"$out/$dtype.log" \
        || { cat "$out/$dtype.log" >&2; exit 1; }
    "$alambic" evaluate --model "$out/$dtype" --data "$out/held.txt" --json >"$out/$dtype.json" 2>>"$out/$dtype.log"
done
awk '
function number(key,   text) {
    if (!match($0, "\"" key "\": *[-0-9.e]+")) return 0
    text = substr($0, RSTART, RLENGTH)
    sub(/^[^:]*:/, "", text)
    return text + 0
}
FNR == 1 { name = FILENAME; sub(/\/metrics.jsonl$/, "", name); sub(/\.json$/, "", name); sub(/.*\//, "", name) }
FILENAME ~ /metrics.jsonl$/ { loss[name, number("step")] = number("loss"); if (number("step") > last) last = number("step"); next }
/"loss"/ { held[name] = number("loss") }
END {
    count = split("f32 bf16 int8-mixed f16", names, " ")
    printf "%-14s", "loss, nats"; for (i = 1; i <= count; i++) printf "%12s", names[i]
    printf "%12s%12s%12s\n", "bf16-f32", "int8-f32", "f16-f32"
    for (part = 1; part <= 5; part++) {
        end = int(last * part / 5); width = end < 50 ? end : 50
        for (i = 1; i <= count; i++) {
            mean[i] = 0
            for (s = end - width + 1; s <= end; s++) mean[i] += loss[names[i], s] / width
        }
        printf "to step %-6d", end
        row()
    }
    for (i = 1; i <= count; i++) mean[i] = held[names[i]]
    printf "%-14s", "held out"
    row()
}
function row() { for (i = 1; i <= count; i++) printf "%12.4f", mean[i]; for (i = 2; i <= count; i++) printf "%12.4f", mean[i] - mean[1]; print "" }
' "$out"/*/metrics.jsonl "$out"/f32.json "$out"/bf16.json "$out"/int8-mixed.json "$out"/f16.json
