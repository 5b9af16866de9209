/* backup.h: a copy of the store while the gateway works, and the store from such a copy while it does not. */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include "store/audit.h"
#include "store/open.h"

/* The store as it is at one moment, at PATH (mode 0600). What stood at PATH is replaced once the copy is whole and on the disk. D outside of any transaction.
 * False with the reason in ERROR; then PATH is as it was. */
bool store_backup(struct db *d, const char *path, struct buf *error) __attribute__((warn_unused_result));

/*
 * The store of BACKUP at PATH, in this program's format and with AUDIT as the last row of its trail. BACKUP must be whole, and of this format or an older one; nobody
 * may have the present store open. KEPT gets where that one is now; "" where there was none. False with the reason in ERROR; then nothing has changed.
 */
bool store_restore(const char *backup, const char *path, const struct audit_row *audit, char kept[STORE_PATH_MAX], struct buf *error)
    __attribute__((warn_unused_result));

#endif
