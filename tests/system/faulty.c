/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A faulty device: see faulty.h.
 */
#include "faulty.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

Fault *faulty_load(Guest *guest)
{
    int fd = memfd_create("fault", MFD_CLOEXEC);
    Fault *fault;

    g_assert_no_errno(ftruncate(fd, sizeof(*fault)));
    fault = mmap(NULL, sizeof(*fault), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                 0);
    g_assert_true(fault != MAP_FAILED);
    vm_add_opt(guest_vm(guest), "plugin", "%s,fault=/proc/%d/fd/%d",
               g_getenv("MHP_FAULT_PLUGIN"), getpid(), fd);
    return fault;
}

void faulty_lie(Fault *fault, size_t offset, uint64_t value)
{
    value = GUINT64_TO_LE(value);
    memcpy(fault->value + offset, &value, sizeof(value));
    memset(fault->mask + offset, 1, sizeof(value));
}

void faulty_be_honest(Fault *fault)
{
    __atomic_store_n(&fault->kind, FAULT_NONE, __ATOMIC_RELEASE);
    memset(fault->mask, 0, sizeof(fault->mask));
}

void faulty_mishandle(Fault *fault, FaultKind kind, uint16_t request,
                      unsigned nb)
{
    fault->request = request;
    fault->left = nb;
    fault->nb_hits = 0;
    __atomic_store_n(&fault->kind, kind, __ATOMIC_RELEASE);
}

void faulty_answer(Fault *fault, uint16_t request, unsigned nb, uint16_t type,
                   uint32_t size)
{
    fault->type = type;
    fault->size = size;
    faulty_mishandle(fault, FAULT_ANSWER, request, nb);
}

unsigned faulty_hits(const Fault *fault)
{
    return __atomic_load_n(&fault->nb_hits, __ATOMIC_ACQUIRE);
}

static bool is_hit(void *opaque, GError **error G_GNUC_UNUSED)
{
    return faulty_hits(opaque) > 0;
}

void faulty_wait_hit(Fault *fault)
{
    g_autoptr(GError) error = NULL;

    wait_until(is_hit, fault, SYSTEM_STALL_MS, "a request to mishandle",
               &error);
    g_assert_no_error(error);
}
