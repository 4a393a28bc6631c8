/* Calls of Linux AIO for strace's format. */
#include <asm/unistd.h>
#include <linux/aio_abi.h>
#include "guest.h"

int main(void) {
  u64 context = 0;
  char text[64] = "hello world";
  SYSTEM_CALL(__NR_io_setup, 5, &context);
  int file = (int)SYSTEM_CALL(SYS_memfd_create, "aio", 0);
  int told = (int)SYSTEM_CALL(__NR_eventfd2, 0, 0);
  i32 ends[2];
  SYSTEM_CALL(SYS_pipe2, ends, 0);
  struct { char *base; u64 length; } parts[2] = {{text, 5}, {text + 5, 3}};
  struct iocb write = {.aio_data = 7, .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = (u32)file, .aio_buf = (u64)text,
                       .aio_nbytes = 11, .aio_offset = 3, .aio_flags = IOCB_FLAG_RESFD, .aio_resfd = (u32)told};
  struct iocb read = {.aio_lio_opcode = IOCB_CMD_PREADV, .aio_fildes = (u32)file, .aio_buf = (u64)parts, .aio_nbytes = 2,
                      .aio_rw_flags = 1};
  struct iocb plain = {.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = (u32)file, .aio_buf = (u64)text, .aio_nbytes = 2};
  struct iocb poll = {.aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = (u32)ends[0], .aio_buf = 1};
  struct iocb *list[] = {&write, &read, &plain, &poll};
  struct io_event events[8];
  i64 time[2] = {0, 1000};
  SYSTEM_CALL(__NR_io_submit, context, 4, list);
  SYSTEM_CALL(__NR_io_getevents, context, 1, 2, events, time);
  SYSTEM_CALL(__NR_io_getevents, context, 0, 8, events, NULL);
  SYSTEM_CALL(__NR_io_pgetevents, context, 1, 5, events, time, NULL);
  SYSTEM_CALL(__NR_io_cancel, context, &poll, events);
  SYSTEM_CALL(__NR_io_getevents, context, 2, 1, events, NULL);
  struct iocb sync = {.aio_lio_opcode = IOCB_CMD_FSYNC, .aio_fildes = 99};
  list[0] = (struct iocb *)8, list[1] = &sync;
  SYSTEM_CALL(__NR_io_submit, context, 1, list);
  SYSTEM_CALL(__NR_io_submit, context, 1, list + 1);
  SYSTEM_CALL(__NR_io_destroy, context);
  SYSTEM_CALL(__NR_io_destroy, context);
  finish(0);
}
