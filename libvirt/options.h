/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the user asked for. A size, node or name that was not given is marked
 * as such: what stands in the XML is then kept.
 */
#ifndef MHP_VIRT_XML_OPTIONS_H
#define MHP_VIRT_XML_OPTIONS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    FORM_UNSET,
    FORM_DIMM,
    FORM_VIRTIO_MEM,
} Form;

/* What becomes of the domain's memballoon */
typedef enum {
    BALLOON_UNSET,
    BALLOON_KEEP,
    BALLOON_REPLACE,
} Balloon;

#define PRESSURE_UNSET UINT64_MAX

typedef struct {
    char *connect;
    char *domain;
    char *plugin;
    char *alias;
    /* As QEMU takes it; NULL is not given */
    char *reporting;
    Form form;
    Balloon balloon;
    /* 0 is not given */
    uint64_t max;
    uint64_t boot;
    uint64_t current;
    uint64_t block;
    uint64_t step;
    /* PRESSURE_UNSET is not given */
    uint64_t pressure;
    /* Of huge pages */
    uint64_t page_size;
    /* Negative is not given */
    int node;
    /* Seconds between statistics, 0: none are asked for */
    int stats_period;
    gboolean prealloc;
    gboolean memfd;
    gboolean check;
    gboolean remove;
    gboolean version;
} Options;

bool options_parse(Options *options, int *argc, char ***argv, GError **error);
void options_clear(Options *options);

const char *form_name(Form form);
Form form_from_name(const char *name);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

#endif
