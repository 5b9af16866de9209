/* list_watch.h: a thread that puts the block lists in force to the test: at the start, after each reload, and from time to time. */
#ifndef GATE_LIST_WATCH_H
#define GATE_LIST_WATCH_H

#include "gate/gate.h"

struct list_watch;
struct list_watch *list_watch_start(struct gate *g); /* NULL: no thread could be had */
void list_watch_stop(struct list_watch **w);         /* waits for a test that is under way */

#endif
