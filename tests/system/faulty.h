/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making the device lie and fail, see fault.h.
 */
#ifndef MHP_SYSTEM_FAULTY_H
#define MHP_SYSTEM_FAULTY_H

#include "fault.h"
#include "support.h"

/* To be called when the guest has the device's own plugin, before its start */
Fault *faulty_load(Guest *guest);

/* Make a field of the configuration wrong; and all right again */
void faulty_lie(Fault *fault, size_t offset, uint64_t value);
void faulty_be_honest(Fault *fault);

/* Mishandle the next @nb requests of type @request */
void faulty_mishandle(Fault *fault, FaultKind kind, uint16_t request,
                      unsigned nb);
/* The same with FAULT_ANSWER, for which there is more to say */
void faulty_answer(Fault *fault, uint16_t request, unsigned nb, uint16_t type,
                   uint32_t size);

/* Requests that were mishandled so far */
unsigned faulty_hits(const Fault *fault);
void faulty_wait_hit(Fault *fault);

#endif /* MHP_SYSTEM_FAULTY_H */
