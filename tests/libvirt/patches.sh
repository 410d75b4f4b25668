#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# libvirt/patches on Debian's source of libvirt: they apply, what they change
# builds, and libvirt's own tests of its QEMU driver pass, among them those that
# the patches add. Built as little as these tests need, below build/libvirt.
set -euo pipefail
: "${MHP_BUILD:?}" "${MHP_SOURCE:?}"

dir=$MHP_BUILD/libvirt
tarball=$(compgen -G "$dir/source/libvirt_*.orig.tar.*z") || {
    echo "skipped: libvirt's source is missing, ./mhp test long downloads it"
    exit 77
}
tests=(qemuxmlconftest qemucapabilitiestest qemuhotplugtest domaincapstest
    genericxml2xmltest virschematest)
options=(-Dauto_features=disabled -Dsystem=true -Dtests=enabled
    -Ddriver_qemu=enabled -Ddriver_libvirtd=enabled -Ddriver_remote=enabled
    -Djson_c=enabled -Dlibnl=enabled -Dbuildtype=plain -Dwerror=false
    --prefix=/usr --sysconfdir=/etc --localstatedir=/var)

# quietly COMMAND...: talks only when something is wrong
quietly() {
    "$@" >"$dir/log" 2>&1 || {
        tail -n 40 "$dir/log"
        echo "failed: $*"
        exit 1
    }
}

# A tree with the same patches is as good as a new one.
series=$(cat "$tarball" "$MHP_SOURCE"/libvirt/patches/*.patch | sha256sum)
if [ "$(cat "$dir/series" 2>/dev/null)" != "$series" ]; then
    rm -rf "$dir/tree" "$dir/out" "$dir/series"
    mkdir -p "$dir/tree"
    tar -C "$dir/tree" --strip-components=1 -xf "$tarball"
    for file in "$MHP_SOURCE"/libvirt/patches/*.patch; do
        echo "applying ${file##*/}"
        quietly patch -d "$dir/tree" -p1 --fuzz=0 --no-backup-if-mismatch -i "$file"
    done
    quietly meson setup "$dir/out" "$dir/tree" "${options[@]}"
    echo "$series" >"$dir/series"
fi

# The tests load mocks that nothing names as a dependency.
cd "$dir/out"
mapfile -t mocks < <(ninja -t targets all |
    sed -n 's,^\(tests/lib[a-z0-9]*\(mock\|util[a-z]*\)\.so\):.*,\1,p')
quietly ninja "${mocks[@]}" "${tests[@]/#/tests/}"
for test in "${tests[@]}"; do
    quietly "tests/$test"
    echo "passed: $test"
done

# The patched libvirt as part of virsh, with QEMU and our plugin: currentMemory,
# setmem, its limit, and update-memory-device, each as QEMU then has it.
quietly ninja tools/virsh src/libvirt_driver_qemu.so
live=$(mktemp -d /tmp/mhp-patches-XXXXXX)
trap 'rm -rf "$live"' EXIT
mkdir "$live/etc"
install "$MHP_BUILD/mhp-vmemmap-mem.so" "$MHP_SOURCE/tests/libvirt/first-class.xml" "$live/"
printf '%s\n' 'stdio_handler = "file"' \
    "mhp_vmemmap_mem_plugin = \"$live/mhp-vmemmap-mem.so\"" >"$live/etc/qemu.conf"
chmod 755 "$live"
user=()
if [ "$(id -u)" = 0 ]; then
    user=(setpriv --reuid libvirt-qemu --regid kvm --clear-groups)
    "${user[@]}" test -r "$dir/out/tools/virsh" || user=()
    [ ${#user[@]} -eq 0 ] || chown -R libvirt-qemu:kvm "$live"
fi
size="qemu-monitor-command vm --hmp 'qom-get /machine/peripheral/ua-mhp requested-size'"
"${user[@]}" env HOME="$live" LIBVIRT_LOG_OUTPUTS="3:file:$live/virsh.log" \
    ./run tools/virsh -q -k0 -c "qemu:///embed?root=$live" "
    create --validate $live/first-class.xml; $size
    setmem vm 1G --live; $size
    setmem vm 64G --live
    setmem vm 2560M --live; $size; dumpxml vm --xpath //memory[@model]/target/requested
    update-memory-device vm --alias ua-mhp --requested-size 256M; $size
    dumpxml vm --xpath //memory[@model]/target/requested
    destroy vm" </dev/null 2>&1 | sed 's/\r$//; /^$/d' >"$live/said" || true
diff -u - "$live/said" <<'END' || exit 1
268435456
536870912
error: invalid argument: cannot set memory higher than max memory
2147483648
<requested unit="KiB">2097152</requested>
268435456
<requested unit="KiB">262144</requested>
END
echo "passed: a domain with QEMU and the plugin"
