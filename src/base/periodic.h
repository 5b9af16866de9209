/*
 * periodic.h: a thread that does something now and again: at once, then whenever so much time has passed, until it is told to stop. The time between is of the clock that
 * no test turns.
 */
#ifndef BASE_PERIODIC_H
#define BASE_PERIODIC_H

#include <pthread.h>
#include <stdbool.h>

struct periodic { /* its owner's memory; nobody else looks inside */
    void (*run)(void *arg);
    void *arg;
    int every_ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping; /* guarded by the lock */
};

/* 0, or an errno: then there is no thread, and nothing to stop. */
int periodic_start(struct periodic *p, void (*run)(void *arg), void *arg, int every_ms) __attribute__((warn_unused_result));
/* For RUN, between two things that take long. */
bool periodic_is_stopping(struct periodic *p);
/* Returns when RUN has returned for the last time. */
void periodic_stop(struct periodic *p);

#endif
