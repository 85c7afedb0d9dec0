# The archives that scripts/bench loads and runs. Sourced by it.
# shellcheck shell=sh

debian_archive=.toolchain/bench/debian.tar

# write_archive OUT TAG LAYER...: a docker-archive, as docker before version 25 saves it. Compressed layers are `*.gz`.
write_archive() (
  out=$1 tag=$2
  shift 2
  folder=$(mktemp -d -p "$(dirname "$out")")
  number=0
  for layer in "$@"; do
    number=$((number + 1))
    mkdir "$folder/$number"
    cp "$layer" "$folder/$number/layer.tar"
    case "$layer" in *.gz) gunzip -c "$layer" ;; *) cat "$layer" ;; esac | sha256sum | cut -d ' ' -f 1
  done >"$folder/digests"
  jq -R '"sha256:" + .' "$folder/digests" | jq -s '{architecture: "amd64", os: "linux", config: {Cmd: ["sh"]},
    rootfs: {type: "layers", diff_ids: .}}' >"$folder/config.json"
  jq -n --arg tag "$tag" --argjson count $# '[{Config: "config.json", RepoTags: [$tag],
    Layers: [range(1; $count + 1) | "\(.)/layer.tar"]}]' >"$folder/manifest.json"
  (cd "$folder" && tar -cf "$out" config.json manifest.json [0-9]*)
  rm -r "$folder"
)

# A Debian system of one layer: 200 MB in 7,000 files, what images are made of.
make_debian_archive() {
  say "making $debian_archive with debootstrap"
  work=$(mktemp -d)
  on_exit "rm -rf '$work'"
  debootstrap --variant=minbase bookworm "$work/root" >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    die "debootstrap failed"
  }
  tar -C "$work/root" --numeric-owner -cf "$work/layer" .
  write_archive "$work/debian.tar" debian:bench "$work/layer"
  mkdir -p "$(dirname "$debian_archive")"
  mv "$work/debian.tar" "$debian_archive.new"
  mv "$debian_archive.new" "$debian_archive"
}

# The only layer of that system: $tmp/layer.
debian_layer() {
  [ -f "$tmp/layer" ] || tar -xOf "$debian_archive" "$(tar -xOf "$debian_archive" manifest.json | jq -r '.[0].Layers[0]')" >"$tmp/layer"
}
