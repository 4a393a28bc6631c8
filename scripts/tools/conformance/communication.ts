/** Cases of System V IPC and of POSIX message queues, by what interpreters and util-linux make of them. */
import { bash, perl, type Program, python } from "./program.ts";

const systemV = String.raw`
use IPC::SysV qw(IPC_PRIVATE IPC_CREAT IPC_NOWAIT S_IRUSR S_IWUSR SEM_UNDO);
use IPC::Msg; use IPC::Semaphore; use IPC::SharedMem;
$| = 1;
my $rights = S_IRUSR | S_IWUSR | IPC_CREAT;
my $queue = IPC::Msg->new(IPC_PRIVATE, $rights) or die "queue: $!";
$queue->snd(7, "seven"); $queue->snd(3, "three"); $queue->snd(5, "x" x 3000);
my $text;
for ([100, 3], [10000, -6], [100, 0], [100, 0, IPC_NOWAIT]) {
  my $type = $queue->rcv($text, @$_);
  print defined $type ? "$type " . length($text) . substr($text, 0, 5) : "none: $!", "\n";
}
my $state = $queue->stat;
printf "%o %d %d %d\n", $state->mode, $state->qbytes, $state->qnum, $state->lspid == $$;
my $semaphores = IPC::Semaphore->new(IPC_PRIVATE, 3, $rights) or die "semaphores: $!";
$semaphores->setall(1, 2, 3); $semaphores->setval(1, 9);
print join(",", $semaphores->getall), " ", $semaphores->stat->nsems, "\n";
my $child = fork;
if (!$child) { $semaphores->op(0, -2, SEM_UNDO, 1, -4, 0); $queue->snd(1, "child ran"); exit 3 }
select undef, undef, undef, 0.01 until $semaphores->getncnt(0);
print "waits ", $semaphores->getncnt(0), $semaphores->getzcnt(0), "\n";
$semaphores->op(0, 1, 0);
$queue->rcv($text, 100); print "$text\n";
waitpid $child, 0;
print $? >> 8, " ", join(",", $semaphores->getall), " ", $semaphores->getpid(1) == $child, "\n";
my $memory = IPC::SharedMem->new(IPC_PRIVATE, 8192, $rights) or die "memory: $!";
$memory->write("text", 4000, 4); print $memory->read(3998, 8) =~ s/\0/./gr, "\n";
if (!fork) { $semaphores->remove; exit }
wait;
print $semaphores->op(0, 1, 0) ? "there" : "gone: $!", "\n";
$queue->remove; $memory->remove;
`;

const posix = String.raw`
import ctypes, os, select, signal
libc = ctypes.CDLL(None, use_errno=True)
class Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("flags", "most", "size", "now")] + [("rest", ctypes.c_long * 4)]
class Event(ctypes.Structure):
    _fields_ = [("value", ctypes.c_long), ("signal", ctypes.c_int), ("notify", ctypes.c_int), ("rest", ctypes.c_long * 6)]
name = b"/isthmus-%d" % os.getpid()
queue = libc.mq_open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, ctypes.byref(Attributes(0, 4, 64, 0)))
print(queue >= 0, libc.mq_open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, None), os.strerror(ctypes.get_errno()))
text, priority = ctypes.create_string_buffer(64), ctypes.c_uint()
def receive():
    length = libc.mq_receive(queue, text, 64, ctypes.byref(priority))
    return (text.raw[:length], priority.value) if length >= 0 else os.strerror(ctypes.get_errno())
for sent, level in ((b"low", 1), (b"high", 9), (b"low again", 1)):
    libc.mq_send(queue, sent, len(sent), level)
ready = select.poll()
ready.register(queue, select.POLLIN | select.POLLOUT)
print([events for _, events in ready.poll(0)])
for _ in range(3): print(receive())
print([events for _, events in ready.poll(0)])
told = []
signal.signal(signal.SIGUSR1, lambda number, frame: told.append(number))
print(libc.mq_notify(queue, ctypes.byref(Event(5, signal.SIGUSR1, 0))))
if os.fork() == 0:
    libc.mq_send(queue, b"from a child", 12, 3)
    os._exit(0)
os.wait()
print(receive(), told)
attributes = Attributes(os.O_NONBLOCK)
libc.mq_setattr(queue, ctypes.byref(attributes), None)
print(receive())
libc.mq_getattr(queue, ctypes.byref(attributes))
print(attributes.flags == os.O_NONBLOCK, attributes.most, attributes.size, attributes.now)
print(libc.mq_send(queue, b"x" * 65, 65, 0), os.strerror(ctypes.get_errno()))
print(libc.mq_unlink(name), libc.mq_unlink(name), os.strerror(ctypes.get_errno()))
`;

const php = String.raw`php -d extension=sysvmsg -d extension=sysvsem -d extension=sysvshm -r '
$key = 0x49000000 | (getmypid() & 0xffff);
$queue = msg_get_queue($key, 0600);
msg_send($queue, 2, ["a" => 1]);
msg_receive($queue, 0, $type, 1000, $message);
echo $type, json_encode($message), "\n";
$semaphore = sem_get($key, 2, 0600, 1);
foreach ([false, true, true] as $at_once) var_dump(sem_acquire($semaphore, $at_once));
sem_release($semaphore);
$memory = shm_attach($key, 10000, 0600);
shm_put_var($memory, 1, "kept");
echo shm_get_var($memory, 1), "\n", decoct(msg_stat_queue($queue)["msg_perm.mode"]), "\n";
sem_remove($semaphore); shm_remove($memory); msg_remove_queue($queue);'`;

export const communicationPrograms: readonly Program[] = [
  perl("perl/System V", systemV, { quick: true }),
  // qemu-aarch64 has no mq_notify.
  python("python/message queues", posix, { quick: true, needs: "/lib64/ld-linux-x86-64.so.2" }),
  bash(
    "ipcs/limits and removal",
    "ipcs -l; for what in Q 'S 3' 'M 5000'; do ipcmk -p 0600 -$what | sed 's/[0-9]*$//'; done; " +
      "me=$(id -un); ipcs -q | grep -c $me; ipcs -s | awk -v me=$me '$3 == me { print $4, $5 }'; " +
      "ipcs -m | awk -v me=$me '$3 == me { print $4, $5, $6 }'; ipcrm -a 2>/dev/null; " +
      "ipcs | grep -c $me",
    { needs: "/usr/bin/ipcs" },
  ),
  bash("php/System V", php, { needs: "/usr/bin/php" }),
];
