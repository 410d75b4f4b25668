#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# without-libvirt.sh PAGE LOADER BUILD TOOL...: the lines of host/without-libvirt.md
# for these tools do what the page says. Each is taken out of the page's block of
# that name, and QEMU is started with it and with what the tool has on its command
# line itself (machine, memory, balloon, where devices are). There is no guest.
set -eu

page=$1
loader=$2
build=$3
shift 3
installed=/usr/lib/x86_64-linux-gnu/qemu/mhp-vmemmap-mem.so
run=/run/incus/vm
# QEMU is up and down in a fraction of that
limit=30
failed=0
# The page's device: its id, and 63 GiB and a block
id=mhp0
region=67779952640

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$tmp/mhp-vmemmap-mem.d" "$tmp/bin" "$tmp/incus"
ln -s "$loader" "$tmp/mhp-vmemmap-mem.so"
ln -s "$build" "$tmp/mhp-vmemmap-mem.d/"

# block NAME: the lines of the page's block of this name, for this machine
block()
{
    awk -v name="$1" '$0 == "```" { inside = 0 }
        inside
        /^```[a-z]+ / && $2 == name { inside = 1 }' "$page" >"$tmp/block"
    [ -s "$tmp/block" ] || {
        echo "wanted a block '$1' in $page, got none" >&2
        exit 1
    }
    sed "s|$installed|$tmp/mhp-vmemmap-mem.so|g; s|$run|$tmp/incus|g" "$tmp/block"
}

# has WHAT TEXT: QEMU answered this, among other things
has()
{
    grep -qF "$2" "$tmp/answers" || {
        echo "$case: wanted $1, '$2', got:"
        sed 's/^/  /' "$tmp/answers"
        failed=1
    }
}

# ask CASE BALLOON COMMANDS WORDS QEMU ARGUMENT...: with WORDS, which are in the
# shell's quotes, as its last arguments, QEMU has the device with its backend of the
# page's size; the balloon, which is told to be 2 GiB, is the device's own or not
# (on, off); and after COMMANDS (QMP) the guest is to have 48 GiB beside its boot
# memory of 1 GiB.
ask()
{
    case=$1
    balloon=$2
    requested=0
    [ "$balloon" = off ] || requested=$((1 << 30))
    commands=$3
    words=$4
    shift 4
    eval "set -- \"\$@\" $words"
    get='{"execute": "qom-get", "arguments": {"path": "/machine/peripheral/'$id'", "property": "requested-size"}, "id": '
    status=0
    printf '%s\n' '{"execute": "qmp_capabilities"}' \
        '{"execute": "query-memory-devices"}' \
        '{"execute": "query-memory-size-summary"}' \
        '{"execute": "balloon", "arguments": {"value": 2147483648}}' \
        "$get\"balloon\"}" "$commands" "$get\"commands\"}" '{"execute": "quit"}' |
        timeout "$limit" "$@" >"$tmp/answers" 2>&1 || status=$?
    [ "$status" -eq 0 ] || {
        echo "$case: wanted QEMU to end with 0, got $status and:"
        sed 's/^/  /' "$tmp/answers"
        failed=1
        return
    }
    has '1 GiB of boot memory' '"base-memory": 1073741824'
    has "a device of the page's size" "\"max-size\": $region"
    has "the device's balloon $balloon" "{\"return\": $requested, \"id\": \"balloon\"}"
    has '48 GiB requested' "{\"return\": $((48 << 30)), \"id\": \"commands\"}"
}

# monitor BLOCK: the commands in quotes there, which are for QEMU's monitor, by QMP
monitor()
{
    block "$1" | sed -n "s/.*'\(qom-[^']*\)'.*/\1/p" >"$tmp/monitor"
    grep -q '^qom-get mhp0 size$' "$tmp/monitor" || {
        echo "wanted 'qom-get mhp0 size' in block $1, got $(cat "$tmp/monitor")" >&2
        exit 1
    }
    sed 's/.*/{"execute": "human-monitor-command", "arguments": {"command-line": "&"}}/' "$tmp/monitor"
}

# As in src/test/cfg2cmd of qemu-server: i440fx, with memory hotplug, and q35
proxmox()
{
    commands=$(monitor proxmox-resize)
    args=$(block proxmox | sed -n 's/^args: //p')
    [ "$(block proxmox | wc -l)" -eq 1 ] || {
        echo "wanted one line in block proxmox"
        failed=1
    }
    cat >"$tmp/q35.cfg" <<'CONFIG'
[device "pcidmi"]
  driver = "i82801b11-bridge"
  bus = "pcie.0"
  addr = "1e.0"
[device "pci.0"]
  driver = "pci-bridge"
  bus = "pcidmi"
  addr = "1.0"
  chassis_nr = "1"
CONFIG
    begin='qemu-system-x86_64 -S -no-shutdown -chardev stdio,id=qmp -mon chardev=qmp,mode=control
        -smp 2,sockets=1,cores=2,maxcpus=2 -nodefaults -display none -cpu kvm64'
    stock='-device virtio-balloon-pci,id=balloon0,bus=pci.0,addr=0x3,free-page-reporting=on'
    bridges='-device pci-bridge,id=pci.1,chassis_nr=1,bus=pci.0,addr=0x1e
        -device pci-bridge,id=pci.2,chassis_nr=2,bus=pci.0,addr=0x1f
        -device piix3-usb-uhci,id=uhci,bus=pci.0,addr=0x1.0x2
        -device VGA,id=vga,bus=pci.0,addr=0x2'
    # shellcheck disable=SC2086 # words
    ask 'Proxmox VE, i440fx' off "$commands" "$args" $begin -m 1024 $bridges $stock \
        -machine hpet=off,type=pc
    # shellcheck disable=SC2086 # words
    ask 'Proxmox VE, memory hotplug' off "$commands" "$args" $begin \
        -m size=1024,slots=255,maxmem=524288M \
        -object memory-backend-ram,id=ram-node0,size=1024M \
        -numa node,nodeid=0,cpus=0-1,memdev=ram-node0 \
        -object memory-backend-ram,id=mem-dimm0,size=512M \
        -device pc-dimm,id=dimm0,memdev=mem-dimm0,node=0 $bridges $stock \
        -machine hpet=off,type=pc
    # shellcheck disable=SC2086 # words
    ask 'Proxmox VE, q35' off "$(block qmp)" "$args" $begin -m 1024 -readconfig "$tmp/q35.cfg" \
        -device VGA,id=vga,bus=pcie.0,addr=0x1 $stock -machine hpet=off,type=q35
}

# As driver_qemu.go and driver_qemu_templates.go of Incus have it, 6.0.4 and 7.3
incus()
{
    commands=$(monitor incus-resize)
    # What the page's commands set goes to a file each
    cat >"$tmp/bin/incus" <<'INCUS'
#!/bin/sh
[ "$1 $2 $3" = 'config set vm' ] || { echo "wanted incus config set vm, got incus $*"; exit 1; }
printf '%s' "${4#*=}" >"$INCUS_SET/${4%%=*}"
INCUS
    chmod 755 "$tmp/bin/incus"
    { block incus; block incus-start; } >"$tmp/commands"
    INCUS_SET=$tmp/incus PATH=$tmp/bin:$PATH sh -e "$tmp/commands"
    start=$(sed 's/^\[\(.*\)\]$/\1/' "$tmp/incus/raw.qemu.qmp.post-start")
    size=$(sed -n 's/^\([0-9]*\)GiB$/\1/p' "$tmp/incus/limits.memory")
    for more in '' 'maxmem = "31744M"
slots = "8"'; do
        cat >"$tmp/qemu.conf" <<CONFIG
[machine]
graphics = "off"
type = "q35"
accel = "tcg"
usb = "off"
[boot-opts]
strict = "on"
[sandbox]
enable = "on"
obsolete = "deny"
elevateprivileges = "allow"
spawn = "allow"
resourcecontrol = "deny"
[chardev "monitor"]
backend = "stdio"
[chardev "console"]
backend = "null"
[memory]
size = "$((size * 1024))M"
$more
[device "qemu_pcie0"]
driver = "pcie-root-port"
bus = "pcie.0"
addr = "1.0"
chassis = "0"
multifunction = "on"
[device "qemu_balloon"]
driver = "virtio-balloon-pci"
bus = "qemu_pcie0"
addr = "00.0"
CONFIG
        for setter in "$commands" "$start"; do
            ask "Incus, ${more:-without maxmem}" off "$setter" \
                "$(cat "$tmp/incus/raw.qemu")" qemu-system-x86_64 -S -name vm -cpu max -nographic -serial chardev:console \
                -qmp chardev:monitor -nodefaults -no-user-config \
                -readconfig "$tmp/qemu.conf"
        done
    done
}

# As qemu.go of Kata's Go runtime has it
kata()
{
    block kata >"$tmp/kata"
    block kata-toml | grep -q '^path = "/usr/local/bin/kata-qemu-mhp"$' || {
        echo "Kata: wanted the script as path, got: $(cat "$tmp/block")"
        failed=1
    }
    commands=$(block kata-resize | sed -n "s/.*'\(qom-[^']*\) 8G'.*/{\"execute\": \"human-monitor-command\", \"arguments\": {\"command-line\": \"\1 48G\"}}/p")
    ask Kata off "$commands" '' sh "$tmp/kata" -name sandbox-1 -machine q35,accel=tcg \
        -cpu max -qmp stdio -m 1024M,slots=10,maxmem=31744M \
        -device pci-bridge,bus=pcie.0,id=pci-bridge-0,chassis_nr=1,shpc=off,addr=2 \
        -device virtio-serial-pci,disable-modern=false,id=serial0 \
        -object memory-backend-ram,id=dimm1,size=1024M -numa node,memdev=dimm1 \
        -vga none -no-user-config -nodefaults -nographic --no-reboot -S
}

# The sidecar's script makes of KubeVirt's XML what tests/libvirt has libvirt
# translate: kubevirt.xml and kubevirt.args
kubevirt()
{
    golden=$MHP_SOURCE/tests/libvirt/golden
    block kubevirt-hook | sed "s|$tmp/mhp-vmemmap-mem.so|$installed|" >"$tmp/hook"
    block kubevirt-vm | sed -n "s/^ *hooks.kubevirt.io.hookSidecars: '\(.*\)'$/\1/p" |
        python3 -c 'import json, sys; json.load(sys.stdin)[0]["image"]' || {
        echo "KubeVirt: wanted a list in JSON as the annotation, got: $(cat "$tmp/block")"
        failed=1
    }
    PATH=$(dirname "$MHP_VIRT_XML"):$PATH sh "$tmp/hook" --vmi '{}' \
        --domain "$(cat "$golden/in/kubevirt.xml")" >"$tmp/xml" 2>"$tmp/notes" || {
        echo "KubeVirt: wanted XML from the hook, got: $(cat "$tmp/notes")"
        failed=1
    }
    diff -u "$golden/kubevirt.xml" "$tmp/xml" || failed=1

    # What libvirt makes of it, but for the reservation of the backend, for which this
    # machine may be too small. libvirt's root ports are not here, nor its balloon.
    words=$(sed -e '/^#/d; /balloon/d; s|"id":"memua-mhp"|&,"reserve":false|' \
        -e "s|$installed|$tmp/mhp-vmemmap-mem.so|" \
        -e "s/^\([^ ]*\) \(.*\)/'\1' '\2'/" "$golden/kubevirt.args" | tr '\n' ' ')
    id=ua-mhp
    region=67645734912
    ask KubeVirt on "$(block qmp | sed s/mhp0/ua-mhp/)" "$words" qemu-system-x86_64 \
        -S -machine q35 -cpu max -smp 2 -nodefaults -no-user-config -display none \
        -qmp stdio -device virtio-balloon-pci,id=balloon0
}

for tool; do
    case $tool in
    proxmox) proxmox ;;
    incus) incus ;;
    kata) kata ;;
    kubevirt) kubevirt ;;
    *)
        echo "wanted a tool of the page, got '$tool'"
        exit 1
        ;;
    esac
done
exit $failed
