# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Debian packages for building and testing, sourced by ./mhp.
#
# The suites that the project needs beside the machine's own are read through
# package lists of their own under build/apt: the machine's apt configuration
# stays as it is. The mirror is the one that the machine already uses, and
# what comes from it is checked by apt with Debian's archive keys.

# apt_use FOLDER [OPTION...]: have the lists, and what is downloaded by them, in
# FOLDER. In a subshell, it is for other lists than ours: what is installed
# never comes from those.
apt_use() {
    apt_dir=$1
    shift
    # Options that make apt use our lists; downloads need no root with them.
    apt_lists=(
        -o Dir::Etc::sourcelist=/dev/null
        -o Dir::Etc::sourceparts="$apt_dir/sources"
        -o Dir::State::lists="$apt_dir/lists"
        -o Dir::Etc::preferences=/dev/null
        -o Dir::Etc::preferencesparts=/dev/null
        -o Acquire::Retries=3
        -o APT::Get::List-Cleanup=true
        "$@"
    )
    apt_private=(
        "${apt_lists[@]}"
        -o Dir::Cache="$apt_dir/cache"
        -o APT::Sandbox::User=
        -o Debug::NoLocking=true
    )
}
apt_use "$build/apt"

debian_codename() {
    (. /etc/os-release && echo "${VERSION_CODENAME:-}")
}

# The suite that holds QEMU 10.0 for this Debian
qemu_suite() {
    case ${1:-$(debian_codename)} in
    bookworm) echo bookworm-backports ;;
    trixie) echo trixie ;;
    *) die "Debian 12 (bookworm) or 13 (trixie) is needed, this is '$(debian_codename)'" ;;
    esac
}

# What the kernel headers' objtool is linked with
libelf_package() {
    case $(debian_codename) in
    bookworm) echo libelf1 ;;
    *) echo libelf1t64 ;;
    esac
}

# Site and suite, one a line, of what the machine's apt is configured for
apt_configured() {
    # shellcheck disable=SC2016 # apt expands these, not the shell
    apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' \
        'Created-By: Packages' | awk '$3 == "main" { print $1, $2 }' | sort -u
}

# The mirror that the machine uses
apt_mirror() {
    local mirror

    mirror=$(apt_configured | awk -v c="$(debian_codename)" '$2 == c && !n++ { print $1 }')
    [ -n "$mirror" ] || die "apt's configuration names no mirror for $(debian_codename) main"
    echo "$mirror"
}

# The keys that Debian's archives are signed with
apt_keyring() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg

    [ -r $keyring ] || die "$keyring is needed to check downloads, install debian-archive-keyring"
    echo $keyring
}

# One line of sources.list per suite: those of the machine's own release, and
# beside them the backports (QEMU 10.0), bookworm (Linux 6.1), and where libvirt
# is wanted from.
apt_sources() {
    local codename mirror keyring
    codename=$(debian_codename)
    keyring=$(apt_keyring)
    mirror=$(apt_mirror)

    apt_configured >"$apt_dir/configured"
    {
        awk -v c="$codename" 'index($2, c) == 1 { print $1, $2 }' "$apt_dir/configured"
        echo "$mirror $(qemu_suite)"
        echo "$mirror bookworm"
        echo "$mirror ${MHP_LIBVIRT_SUITE:-bookworm}"
    } | sort -u | while read -r site suite; do
        echo "deb [signed-by=$keyring] $site $suite main"
        case $suite in
        "$(qemu_suite)" | "$(qemu_suite)-security" | "$(qemu_suite)-updates")
            echo "deb-src [signed-by=$keyring] $site $suite main"
            ;;
        esac
    done
}

# Fetch the lists unless they are from today; "now" fetches them anyway.
apt_update() {
    local fresh

    mkdir -p "$apt_dir"/{sources,lists/partial,cache/archives/partial,debs}
    apt_sources >"$apt_dir/sources.new"
    fresh=$(find "$apt_dir/updated" -mtime -1 2>/dev/null || true)
    if [ "${1:-}" != now ] && [ -n "$fresh" ] &&
        cmp -s "$apt_dir/sources.new" "$apt_dir/sources/mhp.list"; then
        return
    fi
    mv "$apt_dir/sources.new" "$apt_dir/sources/mhp.list"
    say "reading the package lists of $(awk '$1 == "deb" { printf "%s ", $4 }' "$apt_dir/sources/mhp.list")"
    apt-get "${apt_private[@]}" -qq update || die "apt-get update failed, see above"
    touch "$apt_dir/updated"
}

# apt_cache ARGUMENT...: what our lists say
apt_cache() {
    apt-cache "${apt_private[@]}" "$@"
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# as_root COMMAND...
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "root or sudo is needed to run: $*"
    fi
}

# apt_need PACKAGE...: install what is missing of these
apt_need() {
    local missing=() package

    for package; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] || apt_install "" "${missing[@]}"
}

# apt_install SUITE PACKAGE...: install or upgrade these, from SUITE if it is
# not empty, after saying what. Asks only on a terminal.
apt_install() {
    local suite=$1 answer
    shift

    say "these Debian packages will be installed${suite:+ from $suite}: $*"
    if [ -t 0 ] && [ -t 1 ] && [ -z "$assume_yes" ]; then
        read -r -p "mhp: install them now? [Y/n] " answer
        case $answer in
        "" | [Yy]*) ;;
        *) die "they are needed, nothing was installed" ;;
        esac
    fi
    apt_update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get "${apt_lists[@]}" \
        ${suite:+-t "$suite"} -qq -y --no-install-recommends \
        -o Dpkg::Use-Pty=0 install "$@" </dev/null >"$build/install.log" 2>&1 || {
        tail -n 20 "$build/install.log" >&2
        die "apt-get could not install $*, see $build/install.log"
    }
}

# apt_download PACKAGE...: into $apt_dir/debs, unless it is there
apt_download() {
    (
        cd "$apt_dir/debs"
        apt-get "${apt_private[@]}" -qq download "$@" ||
            { apt_update now && apt-get "${apt_private[@]}" -qq download "$@"; } ||
            die "could not download $*"
    )
}

# make_debian DIR SUITE [OPTION...]: a Debian in DIR, by debootstrap, with these
# of its options. What it mounts on the way vanishes with the namespace.
make_debian() {
    local dir=$1 suite=$2
    shift 2

    apt_need debootstrap
    mkdir -p "${dir%/*}"
    as_root rm -rf "$dir" "$dir.new"
    as_root unshare --mount debootstrap --variant=minbase "$@" "$suite" "$dir.new" \
        "$(apt_mirror)" >"$dir.log" 2>&1 || {
        tail -n 3 "$dir.log" >&2
        die "debootstrap failed, see $dir.log"
    }
    as_root mv "$dir.new" "$dir"
}

# in_fresh_debian FOLDER SUITE COMMAND: the command in a clone of the last commit, in
# a Debian of that suite, which stays in build/FOLDER; nothing stays mounted
in_fresh_debian() {
    local dir=$build/$1

    apt_need debootstrap git
    mkdir -p "${dir%/*}"
    as_root "$top/tests/setup/fresh-machine" --suite "$2" --keep "$dir" "$3"
}
