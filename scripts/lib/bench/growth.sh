# Loading ever more small files: time, and peak memory.
# shellcheck shell=sh

peak_of() { # COMMAND...: its peak resident memory, in MB
  python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 // 1000000)' "$@"
}

mkdir "$tmp/tree"
for thousands in 1 10 100; do
  for folder in $(seq "$thousands"); do
    mkdir -p "$tmp/tree/$folder"
    [ -f "$tmp/tree/$folder/xaaaa" ] || (cd "$tmp/tree/$folder" && seq 1000 | split -l 1 -a 4)
  done
  tar -C "$tmp/tree" -cf "$tmp/growth" .
  write_archive "$tmp/$thousands.tar" "growth:$thousands" "$tmp/growth"
done
rm -r "$tmp/tree" "$tmp/growth"
cat >"$tmp/prepare" <<END
rm -rf $tmp/out
mkdir $tmp/out
END
sh "$tmp/prepare"
for storage in "" " --storage unpacked"; do
  for thousands in 1 10 100; do
    contender "$thousands,000 files${storage# --storage}" \
      "dist/dhow --root $tmp/out/$thousands$storage load -i $tmp/$thousands.tar"
  done
done
race growth --warmup 0 --runs 3 --prepare "sh $tmp/prepare"
target growth "100,000 files" 10 "10,000 files"
target growth "100,000 files unpacked" 10 "10,000 files unpacked"
for storage in erofs unpacked; do
  for thousands in 1 10 100; do
    sh "$tmp/prepare"
    peak=$(peak_of dist/dhow --root "$tmp/out" --storage "$storage" load -q -i "$tmp/$thousands.tar")
    echo "peak memory for $thousands,000 files, $storage: $peak MB, target 200: $([ "$peak" -le 200 ] && echo met || echo missed)"
  done
done
rm -r "$tmp/out" "$tmp"/*.tar
