/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-virt-xml by itself: what it makes of each XML, and that whatever it
 * cannot change ends in one sentence that says why and in no XML.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

#define WITH_PLUGIN " --plugin " TOOL_PLUGIN

/* Part of golden/in/q35.xml is replaced; message is a pattern. */
typedef struct Refusal {
    const char *name;
    const char *from;
    const char *to;
    const char *options;
    const char *message;
} Refusal;

static const Refusal refusals[] = {
    {"no --max", "", "", "",
     "--max is needed: to what size the guest may grow"},
    {"--max of boot memory", "", "", "--max 1G",
     "--max wants at least 1152 MiB, one block of 128 MiB above boot memory (1 GiB), got 1 GiB"},
    {"--max inside a block", "", "", "--max 8200M",
     "--max wants boot memory (1 GiB) and whole blocks of 128 MiB, such as 8 GiB or 8320 MiB, got 8200 MiB"},
    {"--boot of half a MiB", "", "", "--max 8G --boot 1000K",
     "boot memory wants whole MiB, got 1000 KiB"},
    {"--current below boot", "", "", "--max 8G --current 512M",
     "--current wants 1 GiB to 8 GiB by steps of 128 MiB, got 512 MiB"},
    {"--current inside a block", "", "", "--max 8G --current 1100M",
     "--current wants 1 GiB to 8 GiB by steps of 128 MiB, got 1100 MiB"},
    {"--current above --max", "", "", "--max 8G --current 9G",
     "--current wants 1 GiB to 8 GiB by steps of 128 MiB, got 9 GiB"},
    {"--node that is not there", "", "", "--max 8G --node 1",
     "--node wants one of the domain's NUMA cells, 0 to 0, got 1"},
    {"a block smaller than a huge page", "", "",
     "--max 8G --hugepages=1G --block-size 256M",
     "--block-size wants at least a huge page, which is 1 GiB, got 256 MiB"},
    {"--step smaller than a block", "", "",
     "--max 8G --block-size 512M --step 256M",
     "--step wants at least a block, which is 512 MiB, got 256 MiB"},
    {"--step that two cells cannot have", "<features>",
     "<cpu><numa><cell memory='33554432'/><cell memory='33554432'/></numa></cpu><features>",
     "--max 128G --step 128M",
     "--step wants 65664 MiB of boot memory, got 64 GiB in 2 NUMA cells: change <cell> by hand"},
    {"--remove of nothing", "", "", "--remove",
     "--remove wants a domain with a mhp-vmemmap-mem, got one without"},
    {"another type", "type='qemu'", "type='xen'", "--max 8G",
     "the domain's type wants to be kvm or qemu, got 'xen'"},
    {"another machine", "pc-q35-10.0", "microvm", "--max 8G",
     "the machine wants to be q35 or pc (x86_64) or virt (aarch64), got 'microvm' (x86_64)"},
    {"another architecture", "x86_64' machine='pc-q35-10.0",
     "s390x' machine='s390-ccw-virtio", "--max 8G",
     "the machine wants to be q35 or pc (x86_64) or virt (aarch64), got 's390-ccw-virtio' (s390x)"},
    {"no machine", "arch='x86_64' machine='pc-q35-10.0'", "", "--max 8G",
     "<os><type> wants arch and machine, as virsh dumpxml shows them, got neither or one"},
    {"no memory", "<memory unit='KiB'>1048576</memory>", "", "--max 8G",
     "the domain wants <memory>, got none"},
    {"memory that is no size", "<memory unit='KiB'>1048576<",
     "<memory unit='KiB'>much<", "--max 8G",
     "<memory> wants a size, got 'much'"},
    {"memory in a unit that is none", "<memory unit='KiB'", "<memory unit='Q'",
     "--max 8G", "<memory> wants a size, got '1048576'"},
    {"memory beyond all limits", "<memory unit='KiB'>1048576<",
     "<memory unit='TiB'>99999999999999999999<", "--max 8G",
     "<memory> wants a size, got '99999999999999999999'"},
    {"vcpu that is no number", "'static'>2<", "'static'>two<", "--max 8G",
     "<vcpu> wants a number, got 'two'"},
    {"a cell without memory", "<features>",
     "<cpu><numa><cell id='0' cpus='0'/></numa></cpu><features>", "--max 8G",
     "<cell> of <numa> wants memory with a size, got ''"},
    {"--boot with two cells", "<features>",
     "<cpu><numa><cell memory='524288'/><cell memory='524288'/></numa></cpu><features>",
     "--max 8G --boot 2G",
     "--boot wants a domain with one NUMA cell, got 2 with 1 GiB in all: change <cell> by hand"},
    {"no devices", "devices>", "things>", "--max 8G",
     "the domain wants <devices>, got none"},
    {"no balloon", "<memballoon model='virtio'>", "<memballoon model='none'>",
     "--max 8G",
     "virsh setmem wants a memballoon, got <memballoon model='none'/>: make it model='virtio', or use --form virtio-mem"},
    {"immediate allocation", "<features>",
     "<memoryBacking><allocation mode='immediate'/></memoryBacking><features>",
     "--max 8G",
     "memory that comes and goes wants no <allocation mode='immediate'/>, which takes all of it at start: take it out, or use --form virtio-mem"},
    {"locked memory", "<features>",
     "<memoryBacking><locked/></memoryBacking><features>", "--max 8G",
     "memory that comes and goes wants no <locked/> in <memoryBacking>, which keeps QEMU from giving it back: take it out"},
    {"a hard limit", "<features>",
     "<memtune><hard_limit unit='GiB'>4</hard_limit></memtune><features>",
     "--max 8G",
     "<hard_limit> of <memtune> wants at least 8 GiB and room for QEMU, got 4 GiB: Linux would end QEMU there"},
    {"more than 40 address bits", "", "", "--max 2T",
     "<maxMemory> wants at most 988 GiB, because the vCPUs have 40 address bits, got 2 TiB: use a smaller --max, or <maxphysaddr> in <cpu>"},
    {"more than 40 address bits on pc", "pc-q35-10.0", "pc", "--max 2T",
     "<maxMemory> wants at most 1018 GiB, because the vCPUs have 40 address bits, got 2 TiB: *"},
    {"address bits and a slot more", "<memory unit",
     "<maxMemory slots='2'>4194304</maxMemory><memory unit", "--max 988G",
     "<maxMemory> wants at most 987 GiB, because the vCPUs have 40 address bits, got 988 GiB: *"},
    {"address bits and a larger hole for PCI", "</devices>",
     "<controller type='pci' model='pcie-root'><pcihole64 unit='GiB'>33</pcihole64></controller></devices>",
     "--max 988G",
     "<maxMemory> wants at most 987 GiB, because the vCPUs have 40 address bits, got 988 GiB: *"},
    {"address bits that the domain says", "<features>",
     "<cpu mode='host-model'><maxphysaddr mode='emulate' bits='36'/></cpu><features>",
     "--max 256G",
     "<maxMemory> wants at most 28 GiB, because the vCPUs have 36 address bits, got 256 GiB: *"},
    {"address bits of the host", "<domain type='qemu'>",
     "<domain type='kvm'><cpu mode='host-passthrough'/>", "--max 4096T",
     "<maxMemory> wants at most *, because the vCPUs have * address bits, got 4096 TiB: *"},
    {"address bits of the host, but not all", "<domain type='qemu'>",
     "<domain type='kvm'><cpu><maxphysaddr mode='passthrough' limit='39'/></cpu>",
     "--max 1T",
     "<maxMemory> wants at most 476 GiB, because the vCPUs have 39 address bits, got 1 TiB: *"},
    {"a confidential guest", "<features>",
     "<launchSecurity type='sev-snp'/><features>", "--max 8G",
     "memory that comes and goes wants a guest that the host can see into, got <launchSecurity type='sev-snp'>"},
    {"vDPA", "</devices>", "<interface type='vdpa'/></devices>", "--max 8G",
     "memory that comes and goes wants no <interface type='vdpa'>, which keeps QEMU from giving it back"},
    {"the alias of another", "</devices>",
     "<rng><alias name='ua-mhp'/></rng></devices>", "--max 8G",
     "the alias 'ua-mhp' wants to be the device's own, got a <rng> that has it: use --alias"},
    {"an override without a device", "</devices>",
     "</devices><override xmlns='http://libvirt.org/schemas/domain/qemu/1.0'><device alias='dimm0'><frontend><property name='driver' value='mhp-vmemmap-mem'/></frontend></device></override>",
     "--max 8G",
     "the <qemu:override> with driver mhp-vmemmap-mem wants a <memory> with <alias name='dimm0'/>, got none"},
    {"a device by hand", "</devices>",
     "</devices><commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'><arg value='-device'/><arg value='mhp-vmemmap-mem,memdev=m'/></commandline>",
     "--max 8G",
     "<qemu:arg> wants nothing about mhp-vmemmap-mem but its plugin, got 'mhp-vmemmap-mem,memdev=m': take it out"},
    {"no balloon in place of one that libvirt does not ask",
     "<memballoon model='virtio'>", "<memballoon model='virtio-transitional'>",
     "--max 8G --memballoon replace",
     "--memballoon replace wants a memballoon for libvirt to ask, <memballoon model='virtio'/>, got model='virtio-transitional'"},
    {"no balloon in form virtio-mem", "", "",
     "--max 8G --memballoon replace --form virtio-mem",
     "--memballoon replace wants form dimm, got virtio-mem, where virsh setmem is for a virtio-balloon: use --memballoon keep"},
    {"statistics of no balloon", "<memballoon model='virtio'>",
     "<memballoon model='none'>", "--max 8G --stats-period 2 --form virtio-mem",
     "--stats-period wants a memballoon for virsh dommemstat to ask, got <memballoon model='none'/>: make it model='virtio'"},
    {"--pressure inside a block", "", "", "--max 8G --pressure 100M",
     "--pressure wants whole blocks of 128 MiB, 7 GiB at most, got 100 MiB"},
    {"--pressure above --max", "", "", "--max 8G --pressure 8G",
     "--pressure wants whole blocks of 128 MiB, 7 GiB at most, got 8 GiB"},
    {"free page reporting of huge pages", "", "",
     "--max 8G --free-page-reporting on --hugepages",
     "--free-page-reporting on wants memory that is not backed beforehand, got --hugepages or --prealloc: use auto or off"},
    {"free page reporting of what is backed", "", "",
     "--max 8G --free-page-reporting on --prealloc",
     "--free-page-reporting on wants memory that is not backed beforehand, got --hugepages or --prealloc: use auto or off"},
    {"XML of another kind", "domain", "network", "--max 8G",
     "wanted the XML of a <domain>, got <network>"},
    {"XML that ends early", "</domain>", "", "--max 8G",
     "line * is not well-formed XML: Premature end of data in tag domain*"},
    {"a document type declaration", "<domain",
     "<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><domain",
     "--max 8G",
     "the XML has a document type declaration, which libvirt never writes"},
    {"an entity that is not declared", "golden", "&a;", "--max 8G",
     "line * is not well-formed XML: Entity 'a' not defined"},
};

/* The end of golden/in/q35.xml, and of what the tool has made of it */
#define TO_END_OF_DEVICES           \
    "<memballoon model='virtio'>\n" \
    "      <stats period='5'/>\n"   \
    "    </memballoon>\n"           \
    "  </devices>"
#define OURS(properties)                                                                               \
    "<memory model='dimm'><target><size unit='MiB'>128</size></target><alias name='ua-mhp'/></memory>" \
    "</devices><cpu><numa><cell memory='1048576'/></numa></cpu>"                                       \
    "<override xmlns='http://libvirt.org/schemas/domain/qemu/1.0'><device alias='ua-mhp'><frontend>"   \
    "<property name='driver' value='mhp-vmemmap-mem'/>" properties                                     \
    "</frontend></device></override>"

/* What does not stand in the way, but is said by --check */
static const Refusal notes[] = {
    {"address bits that an AMD vCPU needs", "", "", "--max 977G",
     "with vCPUs like AMD's, QEMU puts memory that reaches 1012 GiB above 1 TiB, and 40 address bits do not reach its end"},
    {"steps by boot memory", "", "", "--max 128G --boot 64G",
     "with this much boot memory the guest is resized by steps of 2 GiB: a --step of 128 MiB makes them that small, with 65664 MiB of boot memory"},
    {"steps by boot memory on pc", "pc-q35-10.0", "pc",
     "--max 128G --boot 64512M",
     "with this much boot memory the guest is resized by steps of 2 GiB: a --step of 128 MiB makes them that small, with 64640 MiB of boot memory"},
    {"steps by boot memory and larger blocks", "", "",
     "--max 128G --boot 62G --block-size 1G",
     "with this much boot memory the guest is resized by steps of 2 GiB: a --step of 1 GiB makes them that small, with 63 GiB of boot memory"},
    {"--step", "", "", "--max 128G --boot 64G --step 128M",
     "boot memory is 65664 MiB instead of 64 GiB, for the guest's step"},
    {"free page reporting beside huge pages", "<memballoon model='virtio'",
     "<memballoon model='virtio' freePageReporting='on'",
     "--max 8G --hugepages",
     "beside --hugepages or --prealloc freePageReporting='on' gives nothing back to the host, of boot memory neither"},
    {"free page reporting beside --prealloc", "<memballoon model='virtio'",
     "<memballoon model='virtio' freePageReporting='on'",
     "--max 8G --prealloc --form virtio-mem",
     "beside --hugepages or --prealloc freePageReporting='on' gives nothing back to the host, of boot memory neither"},
    {"free page reporting of no balloon", "<memballoon model='virtio'",
     "<memballoon model='virtio' freePageReporting='on'",
     "--max 8G --memballoon replace",
     "with --memballoon replace the memballoon's freePageReporting='on' does nothing"},
    {"no period of statistics", "<stats period='5'/>", "", "--max 8G",
     "virsh dommemstat shows figures as old as they are: a --stats-period keeps them fresh"},
    {"a period of statistics that is none", "period='5'", "period='0'",
     "--max 8G",
     "virsh dommemstat shows figures as old as they are: a --stats-period keeps them fresh"},
    {"free page reporting twice", "<memballoon model='virtio'",
     "<memballoon model='virtio' freePageReporting='on'",
     "--max 8G --free-page-reporting on",
     "the guest reports to one of the device and the memballoon with freePageReporting='on', to that whose driver comes first"},
    {"a balloon beside huge pages", "", "",
     "--max 8G --hugepages --form virtio-mem",
     "beside --hugepages or --prealloc virsh setmem takes boot memory from the guest, but gives nothing back to the host"},
    {"free page reporting beside prealloc from before", TO_END_OF_DEVICES,
     "<memballoon model='virtio' freePageReporting='on'/>" OURS(
         "<property name='prealloc' type='bool' value='true'/>"),
     "",
     "beside --hugepages or --prealloc freePageReporting='on' gives nothing back to the host, of boot memory neither"},
    {"memory slots before vhost-user", TO_END_OF_DEVICES,
     "<filesystem><driver type='virtiofs'/></filesystem>" OURS(
         "<property name='dynamic-memslots' type='bool' value='true'/>"),
     "",
     "dynamic-memslots wants vhost-user devices before the memory device, libvirt puts them behind: QEMU refuses those with less than 509 memory slots"},
};

/* Wrong options, exit status 2; input does not matter */
static const Refusal usage[] = {
    {"no number", "", "", "--max much",
     "--max wants a number with K, M, G or T after it, at most 4096T, got 'much'"},
    {"no unit", "", "", "--max 64",
     "--max wants a number with K, M, G or T after it, at most 4096T, got '64'"},
    {"a decimal unit", "", "", "--max 64GB",
     "--max wants a number with K, M, G or T after it, at most 4096T, got '64GB'"},
    {"a negative size", "", "", "--max -1G",
     "--max wants a number with K, M, G or T after it, at most 4096T, got '-1G'"},
    {"nothing", "", "", "--max 0G",
     "--max wants a number with K, M, G or T after it, at most 4096T, got '0G'"},
    {"too much", "", "", "--max 18446744073709551615T",
     "--max wants a number with K, M, G or T after it, at most 4096T, got '18446744073709551615T'"},
    {"--boot", "", "", "--boot x",
     "--boot wants a number with K, M, G or T after it, at most 4096T, got 'x'"},
    {"--current", "", "", "--current x",
     "--current wants a number with K, M, G or T after it, at most 4096T, got 'x'"},
    {"--block-size that is no power", "", "", "--block-size 96M",
     "--block-size wants a power of two from 2 MiB to 64 GiB, got 96 MiB"},
    {"--step that is small", "", "", "--step 64M",
     "--step wants a power of two from 128 MiB to 2 GiB, got 64 MiB"},
    {"--hugepages that are small", "", "", "--hugepages=4K",
     "--hugepages wants a power of two from 64 KiB to 16 GiB, got 4 KiB"},
    {"--form", "", "", "--form nvdimm",
     "--form wants dimm or virtio-mem, got 'nvdimm'"},
    {"--free-page-reporting", "", "", "--free-page-reporting yes",
     "--free-page-reporting wants on, off or auto, got 'yes'"},
    {"--pressure without a unit", "", "", "--pressure 4",
     "--pressure wants 0 or a number with K, M, G or T after it, at most 4096T, got '4'"},
    {"--pressure that is negative", "", "", "--pressure -1G",
     "--pressure wants 0 or a number with K, M, G or T after it, at most 4096T, got '-1G'"},
    {"--stats-period that is negative", "", "", "--stats-period -1",
     "--stats-period wants 0 to 2147483647 seconds, got '-1'"},
    {"--stats-period that is large", "", "", "--stats-period 2147483648",
     "--stats-period wants 0 to 2147483647 seconds, got '2147483648'"},
    {"--stats-period with a unit", "", "", "--stats-period 2s",
     "--stats-period wants 0 to 2147483647 seconds, got '2s'"},
    {"--stats-period that is empty", "", "",
     "--stats-period=", "--stats-period wants 0 to 2147483647 seconds, got ''"},
    {"--memballoon", "", "", "--memballoon none",
     "--memballoon wants keep or replace, got 'none'"},
    {"--alias of libvirt's", "", "", "--alias dimm0",
     "--alias wants ua- and then letters, digits, - and _, got 'dimm0'"},
    {"--alias with a comma", "", "", "--alias ua-a,b",
     "--alias wants ua- and then letters, digits, - and _, got 'ua-a,b'"},
    {"--plugin of this folder", "", "", "--plugin mhp.so",
     "--plugin wants an absolute path without a comma, got 'mhp.so'"},
    {"--connect alone", "", "", "--connect test:///default",
     "--connect wants --domain beside it"},
    {"--remove and --max", "", "", "--remove --max 8G",
     "--remove wants no --max beside it"},
    {"a word", "", "", "vm", "want options only, got 'vm'"},
    {"an option that is none", "", "", "--maximum 8G",
     "Unknown option --maximum"},
};

static char *replaced(const char *from, const char *to)
{
    g_autofree char *path = golden_path("in/q35.xml");
    g_autofree char *text = golden_read(path);
    g_auto(GStrv) parts = NULL;

    if (!*from) {
        return g_steal_pointer(&text);
    }
    parts = g_strsplit(text, from, -1);
    g_assert_nonnull(parts[1]);
    return g_strjoinv(to, parts);
}

static void assert_message(const char *text, const char *pattern)
{
    g_autofree char *whole = g_strconcat("mhp-virt-xml: ", pattern, "\n", NULL);

    if (!g_pattern_match_simple(whole, text)) {
        g_test_message("wanted: %sgot: %s", whole, text);
        g_test_fail();
    }
}

static void test_golden(gconstpointer opaque)
{
    const Golden *golden = opaque;
    g_autofree char *input = golden_input(golden);
    g_autofree char *options = g_strconcat(
        golden->options,
        strstr(golden->options, "--plugin") ||
                strstr(golden->options, "--remove")
            ? ""
            : WITH_PLUGIN,
        NULL);
    g_autofree char *path = golden_path("%s.xml", golden->name);
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;

    g_assert_cmpint(tool_run(input, -1, options, &out, &err), ==, 0);
    golden_compare(path, out);
    if (*err) {
        g_test_message("%s", err);
    }
}

/* What it has made it does not change again. */
static void test_idempotent(gconstpointer opaque)
{
    const Golden *golden = opaque;
    g_autofree char *path = golden_path("%s.xml", golden->name);
    g_autofree char *text = golden_read(path);
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;

    if (strstr(golden->options, "--remove")) {
        return;
    }
    g_assert_cmpint(tool_run(text, -1, "", &out, &err), ==, 0);
    golden_compare(path, out);
}

static void test_refusal(gconstpointer opaque)
{
    const Refusal *refusal = opaque;
    g_autofree char *input = replaced(refusal->from, refusal->to);
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;
    g_autofree char *check = g_strconcat(refusal->options, " --check", NULL);

    g_assert_cmpint(tool_run(input, -1, refusal->options, &out, &err), ==, 1);
    g_assert_cmpstr(out, ==, "");
    assert_message(err, refusal->message);
    if (strstr(refusal->options, "--max")) {
        g_clear_pointer(&out, g_free);
        g_clear_pointer(&err, g_free);
        g_assert_cmpint(tool_run(input, -1, check, &out, &err), ==, 1);
        g_assert_cmpstr(err, ==, "");
        assert_message(out, refusal->message);
    }
}

static void test_note(gconstpointer opaque)
{
    const Refusal *note = opaque;
    g_autofree char *input = replaced(note->from, note->to);
    g_autofree char *options = g_strconcat(note->options, " --check", NULL);
    g_autofree char *line = g_strconcat("mhp-virt-xml: note: ", note->message,
                                        "\n", NULL);
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;

    g_assert_cmpint(tool_run(input, -1, options, &out, &err), ==, 0);
    g_assert_cmpstr(err, ==, "");
    if (!strstr(out, line)) {
        g_test_message("wanted: %sgot: %s", line, out);
        g_test_fail();
    }
}

static void test_usage(gconstpointer opaque)
{
    const Refusal *refusal = opaque;
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;

    g_assert_cmpint(tool_run("", -1, refusal->options, &out, &err), ==, 2);
    g_assert_cmpstr(out, ==, "");
    assert_message(err, refusal->message);
}

static void test_several_problems(void)
{
    g_autofree char *input = replaced(
        "<features>", "<memoryBacking><locked/></memoryBacking><memtune>"
                      "<hard_limit>1</hard_limit></memtune><features>");
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;
    g_auto(GStrv) lines = NULL;

    g_assert_cmpint(tool_run(input, -1, "--max 8G", &out, &err), ==, 1);
    lines = g_strsplit(err, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 3);
    g_assert_nonnull(strstr(lines[0], "<locked/>"));
    g_assert_nonnull(strstr(lines[1], "<hard_limit>"));
}

static void test_check(void)
{
    g_autofree char *input = replaced("", "");
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;

    g_assert_cmpint(tool_run(input, -1, "--check", &out, &err), ==, 0);
    g_assert_cmpstr(out, ==, "mhp-virt-xml: nothing stands in the way\n");
    g_assert_cmpstr(err, ==, "");
}

/* Sixteen entities of sixteen entities and so on would be 2^60 characters. */
static void test_entities(void)
{
    g_autoptr(GString) text = g_string_new("<!DOCTYPE d [<!ENTITY e0 'x'>");
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;

    for (int i = 1; i <= 15; i++) {
        g_string_append_printf(text, "<!ENTITY e%d '", i);
        for (int j = 0; j < 16; j++) {
            g_string_append_printf(text, "&e%d;", i - 1);
        }
        g_string_append(text, "'>");
    }
    g_string_append(text, "]><domain type='&e15;'>&e15;</domain>");
    g_assert_cmpint(tool_run(text->str, -1, "--max 8G", &out, &err), ==, 1);
    assert_message(
        err,
        "the XML has a document type declaration, which libvirt never writes");
}

static void test_size_limit(void)
{
    const gsize length = 5 * 1024 * 1024;
    g_autofree char *text = g_strnfill(length, ' ');
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;

    text[0] = '<';
    g_assert_cmpint(tool_run(text, (gssize)length, "--max 8G", &out, &err), ==,
                    1);
    assert_message(err, "the XML is larger than 4 MiB");
}

static void test_depth(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;

    for (int i = 0; i < 100000; i++) {
        g_string_append(text, "<domain>");
    }
    g_assert_cmpint(tool_run(text->str, -1, "--max 8G", &out, &err), ==, 1);
    assert_message(err, "line 1 is not well-formed XML: *");
}

static void test_bytes(void)
{
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;

    g_assert_cmpint(tool_run("<domain\0/>", 10, "--max 8G", &out, &err), ==, 1);
    assert_message(err, "the XML has a NUL byte in it");
    g_clear_pointer(&out, g_free);
    g_clear_pointer(&err, g_free);
    g_assert_cmpint(tool_run("", 0, "--max 8G", &out, &err), ==, 1);
    assert_message(err, "line * is not well-formed XML: *");
}

/* libvirt's test driver is in its library and needs no daemon. */
static void test_libvirt(void)
{
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;

    g_assert_cmpint(tool_run("", 0,
                             "--connect test:///default --domain test --check",
                             &out, &err),
                    ==, 1);
    assert_message(out, "<os><type> wants arch and machine, *");
    g_clear_pointer(&out, g_free);
    g_clear_pointer(&err, g_free);
    g_assert_cmpint(tool_run("", 0,
                             "--connect test:///default --domain none --max 8G",
                             &out, &err),
                    ==, 1);
    assert_message(err, "libvirt has no such domain: *");
    g_clear_pointer(&out, g_free);
    g_clear_pointer(&err, g_free);
    g_assert_cmpint(
        tool_run("", 0, "--connect none:/// --domain x --max 8G", &out, &err),
        ==, 1);
    assert_message(err, "cannot connect to libvirt: *");
}

static void test_full_disk(void)
{
    g_autofree char *path = golden_path("in/q35.xml");
    g_autofree char *command = g_strdup_printf(
        "sh -c '%s/meson/libvirt/mhp-virt-xml --max 8G <%s >/dev/full'",
        g_getenv("MHP_BUILD"), path);
    g_autofree char *err = NULL;
    g_autoptr(GError) error = NULL;
    int status;

    g_spawn_command_line_sync(command, NULL, &err, &status, &error);
    g_assert_no_error(error);
    g_assert_false(g_spawn_check_wait_status(status, NULL));
    assert_message(err, "cannot write standard output: *");
}

/*
 * A host whose huge pages are larger than the default block, as an Arm with
 * pages of 64 KiB: the tool is shown another file (tests/qtest/host.c).
 */
static void test_large_huge_pages(void)
{
    static const struct {
        const char *options;
        const char *message;
    } rows[] = {
        {"--max 1152M",
         "--max wants at least 1536 MiB, one block of 512 MiB above boot memory (1 GiB), got 1152 MiB"},
        {"--max 8G --block-size 128M",
         "--block-size wants at least a huge page, which is 512 MiB, got 128 MiB"},
        {"--max 1536M", "nothing stands in the way"},
        {"--max 8G --hugepages", "nothing stands in the way"},
    };
    g_autofree char *path = golden_path("in/q35.xml");
    g_autofree char *size = NULL;
    g_autoptr(GError) error = NULL;
    const int fd = g_file_open_tmp("mhp-XXXXXX", &size, &error);

    g_assert_no_error(error);
    g_assert_cmpint(write(fd, "536870912\n", 10), ==, 10);
    close(fd);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *command = g_strdup_printf(
            "sh -c 'LD_PRELOAD=%s MHP_THP_SIZE_FILE=%s "
            "exec %s/meson/libvirt/mhp-virt-xml --check %s <%s'",
            g_getenv("MHP_TEST_HOST"), size, g_getenv("MHP_BUILD"),
            rows[i].options, path);
        g_autofree char *out = NULL;
        g_autofree char *err = NULL;
        int status;

        g_spawn_command_line_sync(command, &out, &err, &status, &error);
        g_assert_no_error(error);
        g_test_message("%s", rows[i].options);
        g_assert_nonnull(strstr(out, rows[i].message));
    }
    g_unlink(size);
}

static void add_cases(const char *group, const Refusal *cases, unsigned n,
                      GTestDataFunc function)
{
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *path = g_strdup_printf("/virt-xml/%s/%s", group,
                                                cases[i].name);

        g_test_add_data_func(path, &cases[i], function);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < n_goldens; i++) {
        g_autofree char *path = g_strdup_printf("/virt-xml/golden/%s",
                                                goldens[i].name);
        g_autofree char *again = g_strdup_printf("/virt-xml/idempotent/%s",
                                                 goldens[i].name);

        g_test_add_data_func(path, &goldens[i], test_golden);
        g_test_add_data_func(again, &goldens[i], test_idempotent);
    }
    add_cases("refused", refusals, G_N_ELEMENTS(refusals), test_refusal);
    add_cases("note", notes, G_N_ELEMENTS(notes), test_note);
    add_cases("usage", usage, G_N_ELEMENTS(usage), test_usage);
    g_test_add_func("/virt-xml/several problems at once",
                    test_several_problems);
    g_test_add_func("/virt-xml/nothing stands in the way", test_check);
    g_test_add_func("/virt-xml/hostile/entities of entities", test_entities);
    g_test_add_func("/virt-xml/hostile/5 MiB", test_size_limit);
    g_test_add_func("/virt-xml/hostile/deep nesting", test_depth);
    g_test_add_func("/virt-xml/hostile/no text", test_bytes);
    g_test_add_func("/virt-xml/reads from libvirt", test_libvirt);
    g_test_add_func("/virt-xml/a full disk", test_full_disk);
    g_test_add_func("/virt-xml/a host with large huge pages",
                    test_large_huge_pages);
    return g_test_run();
}
