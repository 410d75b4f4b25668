/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Choice of the accelerator: see accel.h.
 */
#include "accel.h"

#include <unistd.h>

#include "guest.h"

/* A guest that KVM can run is there within a few seconds */
#define ACCEL_TRIAL_MS 20000

static bool accel_trial(const char *kver)
{
    GuestConfig config = {.kver = kver, .accel = "kvm"};
    g_autoptr(Guest) guest = guest_new(&config);

    return vm_start(guest_vm(guest), NULL) &&
           agent_wait_ready(guest_agent(guest), ACCEL_TRIAL_MS, NULL);
}

static const char *accel_auto(const char *kver)
{
    g_autofree char *cache = vm_build_path("accel");
    g_autofree char *known = NULL;
    const char *accel;

    if (access("/dev/kvm", R_OK | W_OK) < 0) {
        return "tcg";
    }
    if (g_file_get_contents(cache, &known, NULL, NULL)) {
        return g_str_has_prefix(known, "kvm") ? "kvm" : "tcg";
    }
    accel = accel_trial(kver) ? "kvm" : "tcg";
    g_file_set_contents(cache, accel, -1, NULL);
    return accel;
}

const char *accel_choose(const char *wanted, const char *kver, GError **error)
{
    if (g_str_equal(wanted, "tcg")) {
        return "tcg";
    }
    if (g_str_equal(wanted, "kvm")) {
        return "kvm";
    }
    if (g_str_equal(wanted, "auto")) {
        return accel_auto(kver);
    }
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                "want tcg, kvm or auto as accelerator, got '%s'", wanted);
    return NULL;
}
