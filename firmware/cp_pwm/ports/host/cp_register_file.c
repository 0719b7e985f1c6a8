/* What of cp_register.h a file is needed for. */
#include "cp_register.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

bool cp_register_keep_in(cp_register *energy, const char *path) {
    const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0) {
        return false;
    }
    void *page = MAP_FAILED;
    if (ftruncate(file, sizeof(int64_t)) == 0) {
        page = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    }
    close(file);
    if (page == MAP_FAILED) {
        return false;
    }
    energy->energy_uj = page;
    return true;
}
