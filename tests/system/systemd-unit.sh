#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# systemd-unit.sh UNIT CONF PAGE LOADER BUILD: systemd finds nothing to say
# against the unit, its QEMU boots a guest, the page's commands resize that, and
# its ExecStop presses the guest's power button and waits for the end. The
# commands are the unit's and the page's own, and the sizes are those of CONF;
# systemd itself is not there to run them.
set -eu

unit=$1
conf=$2
page=$3
loader=$4
build=$5
guest=$MHP_BUILD/guest/6.12
make=$MHP_SOURCE/tests/harness/guest/make-initramfs
name=web
installed=/usr/lib/x86_64-linux-gnu/qemu/mhp-vmemmap-mem.so
# A boot takes some seconds, everything else less
limit=120

for tool in systemd-analyze socat; do
    command -v "$tool" >/dev/null || {
        echo "skipped: $tool is missing, the Debian package ${tool%-analyze} has it"
        exit 77
    }
done

tmp=$(mktemp -d)
qemu=
# shellcheck disable=SC2317,SC2329 # by the trap
clean()
{
    [ -z "$qemu" ] || kill -KILL "$qemu" 2>/dev/null || :
    rm -rf "$tmp"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

die()
{
    echo "$*"
    [ ! -e "$tmp/console" ] || tail -n 30 "$tmp/console"
    exit 1
}

# block NAME: the lines of the page's block of this name
block()
{
    awk -v name="$1" '$0 == "```" { inside = 0 }
        inside
        /^```[a-z]+ / && $2 == name { inside = 1 }' "$page"
}

# here: paths of an installed system become those of this test
here()
{
    sed "s|$installed|$tmp/mhp-vmemmap-mem.so|g; s|/run/mhp-vm-|$tmp/mhp-vm-|g"
}

# command KEY: what the unit says, as a shell reads it. For systemd, too, ${NAME}
# is a part of one word, and $NAME is as many words as there are in it.
# shellcheck disable=SC2016 # for sed
command_of()
{
    sed -n ":again; /^[^#].*\\\\\$/ { N; s/\\\\\n/ /; b again; }
        s/^$1=//p" "$unit" |
        sed -e 's/\${\([A-Z]*\)}/"${\1}"/g' -e "s|%i|$name|g; s|%t|/run|g" | here
}

mkdir "$tmp/mhp-vmemmap-mem.d" "$tmp/mhp-vm-$name"
ln -s "$loader" "$tmp/mhp-vmemmap-mem.so"
ln -s "$build" "$tmp/mhp-vmemmap-mem.d/"

# It ends with 0 where a line is ignored, so nothing is to be said either
cp "$unit" "$tmp/mhp-vm@.service"
systemd-analyze verify --man=no "$tmp/mhp-vm@.service" >"$tmp/said" 2>&1 || echo "it failed" >>"$tmp/said"
said=$(grep -e mhp-vm -e 'it failed' "$tmp/said" || :)
[ -z "$said" ] || die "wanted a unit that systemd has nothing to say against, got: $said"

# Where the page puts things is where the unit looks for them
block systemd-install >"$tmp/install"
user=$(command_of User)
for wanted in "adduser .* $user\$" " $(command_of EnvironmentFile)\$" " ${unit##*/} " " ${conf##*/} "; do
    grep -q "$wanted" "$tmp/install" || die "wanted '$wanted' where the page installs the unit, got: $(cat "$tmp/install")"
done

# A guest with the driver, which shuts down when its power button is pressed
cat >"$tmp/init" <<'INIT'
#!/bin/sh
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in button evdev mhp_vmemmap_mem; do
    insmod /lib/modules/$module.ko || echo "no module $module"
done
echo "guest: ready"
event=$(basename /sys/devices/LNXSYSTM:00/LNXPWRBN:00/input/input*/event*)
head -c 1 /dev/input/$event >/dev/null
echo "guest: the power button"
# A shutdown takes time
sleep 1
echo "guest: down"
poweroff -f
INIT
chmod 755 "$tmp/init"
"$make" "$tmp/init" "$tmp/initramfs" "$guest/modules/button.ko" \
    "$guest/modules/evdev.ko" "$guest/mhp_vmemmap_mem.ko"

# Sizes are the example's, only the host and the guest are others
# shellcheck disable=SC1090 # given
. "$conf"
# shellcheck disable=SC2034 # for the command
ACCEL=tcg CPU=max
# shellcheck disable=SC2034 # for the command
DEVICES="-kernel $guest/vmlinuz -initrd $tmp/initramfs -serial file:$tmp/console"
: >"$tmp/console"
start=$(command_of ExecStart)
[ -n "$start" ] || die "wanted ExecStart in the unit, got none"
eval "exec $start -append 'console=ttyS0 panic=-1 memory_hotplug.memmap_on_memory=1' -no-reboot" \
    >"$tmp/qemu.log" 2>&1 &
qemu=$!

# until_true WHAT COMMAND...: within the time limit, and while QEMU is there
until_true()
{
    what=$1
    shift
    end=$(($(date +%s) + limit))
    until "$@"; do
        kill -0 "$qemu" 2>/dev/null ||
            die "wanted $what, got the end of QEMU: $(cat "$tmp/qemu.log")"
        [ "$(date +%s)" -lt "$end" ] || die "wanted $what within $limit s, got none"
        sleep 0.2
    done
}

block systemd-resize | here >"$tmp/resize"
grep -q 'qom-get mhp0 size' "$tmp/resize" || die "wanted commands to resize on the page, got: $(cat "$tmp/resize")"
wanted=$(sed -n 's/.* requested-size \([0-9]*\)G.*/\1/p' "$tmp/resize")
[ -n "$wanted" ] || die "wanted a requested-size of some G on the page, got: $(cat "$tmp/resize")"

# The page's commands, set and get: true if the size that they name is reached
# shellcheck disable=SC2317,SC2329 # by until_true
resized()
{
    timeout "$limit" sh -e "$tmp/resize" >"$tmp/answer" 2>&1 || die "the page's commands failed: $(cat "$tmp/answer")"
    got=$(tr -d '\r' <"$tmp/answer" | sed -n 's/^\([0-9][0-9]*\)$/\1/p')
    [ "$got" = $((wanted << 30)) ]
}

until_true "a guest that is ready" grep -q '^guest: ready' "$tmp/console"
until_true "$wanted GiB plugged by the page's commands" resized
! grep '^no module' "$tmp/console" || die "wanted all modules loaded"

stop=$(command_of ExecStop)
[ -n "$stop" ] || die "wanted ExecStop in the unit, got none"
eval "timeout $limit $stop" >/dev/null || die "wanted ExecStop to end with 0 within $limit s, got $?"
# What systemd does next; the guest has to be down by now
kill -TERM "$qemu" 2>/dev/null || :
status=0
wait "$qemu" || status=$?
qemu=
[ "$status" -eq 0 ] || die "wanted QEMU to end with 0, got $status: $(cat "$tmp/qemu.log")"
grep -q '^guest: down' "$tmp/console" || die "wanted ExecStop to last until the guest is down, got this console:"
echo "$wanted GiB plugged, power button pressed, QEMU ended with 0"
