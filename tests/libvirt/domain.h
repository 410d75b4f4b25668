/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain whose guest is a stock Debian kernel with our init, agent and
 * driver: made from a plain one, as a user would make it, and asked about its
 * memory from all sides. A failure ends the test.
 */
#ifndef MHP_LIBVIRT_DOMAIN_H
#define MHP_LIBVIRT_DOMAIN_H

#include "daemon.h"
#include "guest.h"

#define DOMAIN_MEMDEV "ua-mhp"
#define DOMAIN_BOOT_SIZE (1 * GiB)
#define DOMAIN_MAX_SIZE (8 * GiB)

typedef struct Domain Domain;

/* The XML of a domain that cannot grow */
char *domain_plain_xml(Daemon *daemon, const char *name);

/*
 * Make it one that can by mhp-virt-xml with these @options: by the one that was
 * built, or, with MHP_INSTALLED, by the one that is installed, with the plugin
 * that is installed
 */
char *domain_resizable_xml(const char *plain, const char *options);

/* Define a plain domain, and then make one of it that can grow */
Domain *domain_new(Daemon *daemon, const char *name, const char *options);

/* The domain stays as it is, running or not */
void domain_free(Domain *domain);

/* Start it and wait until its drivers are loaded */
void domain_start(Domain *domain);

/*
 * After the domain came to life in another way: connect to the guest's agent;
 * then, if it booted, wait for it and load the drivers.
 */
void domain_connect(Domain *domain);
void domain_wait_boot(Domain *domain);

/* It is another daemon's now */
void domain_set_daemon(Domain *domain, Daemon *daemon);

/* Run a script in the guest that must end with 0; its output */
char *domain_run(Domain *domain, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The same for a script that ends the guest: nobody waits for its end */
void domain_leave(Domain *domain, const char *script);

/* "virsh setmem", in MiB, and wait until guest and dominfo say so */
void domain_setmem(Domain *domain, unsigned mib);
void domain_wait_size(Domain *domain, uint64_t size);

/* Wait until QMP's query-balloon says so: what the guest was given */
void domain_wait_actual(Domain *domain, uint64_t size);

/*
 * Let the guest look at its MemTotal, often and at little cost, until it is
 * that of @size; domain_finish() waits for that.
 */
void domain_watch_mem_total(Domain *domain, uint64_t size);
void domain_finish(Domain *domain);

/* What the guest, dominfo and the host's kernel say */
uint64_t domain_mem_total(Domain *domain);
uint64_t domain_used(Domain *domain);
uint64_t domain_rss(Domain *domain);

/* MemTotal that the guest has at @size, worked out from that at boot size */
uint64_t domain_wanted_mem_total(Domain *domain, uint64_t size);

/* QEMU's log so far */
char *domain_log(Domain *domain);

/* Asserts that the guest's kernel has nothing to complain about */
void domain_check_klog(Domain *domain);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Domain, domain_free)

#endif /* MHP_LIBVIRT_DOMAIN_H */
