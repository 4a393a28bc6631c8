/* Calls of System V IPC and of POSIX message queues for strace's format: what they print must not depend on ids and times. */
#include <asm/unistd.h>
#include <linux/ipc.h>
#include <linux/sem.h>
#include <linux/msg.h>
#include <linux/mqueue.h>
#include "guest.h"

int main(void) {
  struct sembuf operations[] = {{0, 1, SEM_UNDO}, {1, -2, IPC_NOWAIT}};
  i64 time[2] = {0, 1000};
  u16 values[2] = {4, 5};
  struct semid64_ds set;
  i64 id = SYSTEM_CALL(__NR_semget, IPC_PRIVATE, 2, IPC_CREAT | 0640);
  SYSTEM_CALL(__NR_semget, 0x49561234, 2, 0);
  SYSTEM_CALL(__NR_semget, 0x49561234, 2, IPC_EXCL | 022);
  SYSTEM_CALL(__NR_semop, id, operations, 2);
  SYSTEM_CALL(__NR_semop, id, NULL, 1);
  SYSTEM_CALL(__NR_semtimedop, id, operations, 1, time);
  SYSTEM_CALL(__NR_semctl, id, 1, SETVAL, 3);
  SYSTEM_CALL(__NR_semctl, id, 1, GETVAL, 0);
  SYSTEM_CALL(__NR_semctl, id, 1, GETNCNT, 0);
  SYSTEM_CALL(__NR_semctl, id, 0, SETALL, values);
  SYSTEM_CALL(__NR_semctl, id, 0, GETALL, values);
  SYSTEM_CALL(__NR_semctl, id, 0, IPC_STAT, &set);
  SYSTEM_CALL(__NR_semctl, id, 0, IPC_SET, &set);
  SYSTEM_CALL(__NR_semctl, id, 0, 77, 0);
  SYSTEM_CALL(__NR_semctl, id, 0, IPC_RMID, 0);

  struct { i64 type; char text[64]; } message = {5, "hello"};
  struct msqid64_ds queue;
  struct msginfo limits;
  id = SYSTEM_CALL(__NR_msgget, IPC_PRIVATE, IPC_CREAT | IPC_EXCL | 0600);
  SYSTEM_CALL(__NR_msgsnd, id, &message, 40, IPC_NOWAIT);
  SYSTEM_CALL(__NR_msgsnd, id, &message, 5, 0);
  SYSTEM_CALL(__NR_msgsnd, id, 8, 5, 0);
  SYSTEM_CALL(__NR_msgctl, id, IPC_STAT, 8);
  SYSTEM_CALL(__NR_msgrcv, id, &message, 64, -7, MSG_NOERROR | IPC_NOWAIT);
  SYSTEM_CALL(__NR_msgrcv, id, &message, 5, 0, 0);
  SYSTEM_CALL(__NR_msgrcv, id, &message, 5, 3, MSG_EXCEPT | IPC_NOWAIT);
  SYSTEM_CALL(__NR_msgctl, id, IPC_STAT, &queue);
  SYSTEM_CALL(__NR_msgctl, id, IPC_SET, &queue);
  SYSTEM_CALL(__NR_msgctl, id, IPC_INFO, &limits);
  SYSTEM_CALL(__NR_msgctl, id, IPC_RMID, 0);
  SYSTEM_CALL(__NR_msgctl, id, 77, 0);

  id = SYSTEM_CALL(__NR_shmget, IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  SYSTEM_CALL(__NR_shmat, id, 0, 010000 | 020000);
  SYSTEM_CALL(__NR_shmctl, id, IPC_STAT, 8);
  SYSTEM_CALL(__NR_shmctl, id, IPC_RMID, 0);

  struct mq_attr attributes = {.mq_maxmsg = 3, .mq_msgsize = 50};
  struct { i64 value; i32 signal, notify; i32 rest[12]; } event = {0, SIGUSR1, 0, {0}};
  u32 priority = 1;
  id = SYSTEM_CALL(__NR_mq_open, "traced_ipc", 04000 | O_RDWR | O_CREAT, 0600, &attributes);
  SYSTEM_CALL(__NR_mq_open, "traced_ipc", O_RDONLY, 0, NULL);
  SYSTEM_CALL(__NR_mq_notify, id, &event);
  event.value = 7, event.notify = 1;
  SYSTEM_CALL(__NR_mq_notify, id, &event);
  SYSTEM_CALL(__NR_mq_notify, id, NULL);
  SYSTEM_CALL(__NR_mq_timedsend, id, "hi", 2, 7, NULL);
  SYSTEM_CALL(__NR_mq_timedsend, id, "hi", 2, 8, time);
  SYSTEM_CALL(__NR_mq_timedreceive, id, &message, 60, &priority, NULL);
  SYSTEM_CALL(__NR_mq_timedreceive, id, &message, 10, &priority, time);
  SYSTEM_CALL(__NR_mq_getsetattr, id, &attributes, &attributes);
  SYSTEM_CALL(__NR_mq_getsetattr, id, NULL, NULL);
  SYSTEM_CALL(__NR_mq_unlink, "traced_ipc");
  SYSTEM_CALL(__NR_mq_unlink, "traced_ipc");
  finish(0);
}
