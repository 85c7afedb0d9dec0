# Reading all files of an image with nothing of them in memory, from the disk that the repository is on: an ext4 in a file
# there, which the kernel reads past its cache (direct I/O of the loop device), and which is mounted anew for each run.
# The same container twice: its files in the layer's tar, by way of EROFS, and in a folder of that ext4.
# shellcheck shell=sh

cold=$tmp/cold
truncate -s 2G "$cold_image"
mke2fs -q -t ext4 -E lazy_itable_init=0 "$cold_image"
mkdir -p "$cold"
cat >"$tmp/prepare" <<END
set -eu
# the kernel lets go of a container's file systems some time after its end
for try in \$(seq 100); do
  umount $cold 2>/dev/null && break
  mountpoint -q $cold || break
  sleep 0.1
done
mount -n -o loop $cold_image $cold
losetup --direct-io=on \$(findmnt -n -o SOURCE $cold)
cat dist/dhow >/dev/null
END
sh "$tmp/prepare"
dist/dhow --root "$cold/erofs" --storage erofs load -q -i "$debian_archive" >/dev/null
dist/dhow --root "$cold/folder" --storage unpacked load -q -i "$debian_archive" >/dev/null

read_all="find / -xdev -type f -exec cat {} +"
contender "from a folder of ext4" \
  "dist/dhow --root $cold/folder --storage unpacked run --rm --network none debian:bench $read_all"
contender "from the layer's tar" \
  "dist/dhow --root $cold/erofs --storage erofs run --rm --network none debian:bench $read_all"
contender "from a folder of ext4, chroot" "chroot $(echo "$cold"/folder/layers/*/bin | head -n 1 | xargs dirname) $read_all"
race cold --warmup 1 --runs 5 --prepare "sh $tmp/prepare"
target cold "from the layer's tar" 1.05 "from a folder of ext4"
umount -l "$cold"
rm "$cold_image"
