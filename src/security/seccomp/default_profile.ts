/**
 * What a container may ask of the kernel if nobody says otherwise: no less strict than docker's newest profile (29), of which
 * docs/seccomp.md tells. What is not listed is refused, and nothing is, because the kernel forbids it already: an exploit
 * often begins with a call that no program needs.
 */
import { ENOSYS, EPERM } from "../../../ffi/errno.ts";
import type { SeccompCondition, SeccompOperator } from "../../plan/oci.ts";
import type { Profile, ProfileFilter, ProfileRule } from "./profile.ts";

const FILES = `
  access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
  fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync flock fstat
  fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 ioctl lchown
  lchown32 link linkat _llseek lseek lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat
  openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv rename
  renameat renameat2 rmdir sendfile sendfile64 splice stat stat64 statfs statfs64 statx symlink symlinkat sync
  sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice
  write writev`;

const ATTRIBUTES = `
  fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat llistxattr
  lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat`;

/** That read what is mounted, in the caller's own namespace. */
const MOUNTS = "listmount statmount";

const MEMORY = `
  brk cachestat madvise map_shadow_stack memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2 mprotect
  mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages`;

const PROCESSES = `
  execve execveat exit exit_group fork get_robust_list get_thread_area getcpu getitimer getpgid getpgrp getpid getppid
  getpriority getrlimit getrusage getsid gettid kill membarrier pidfd_open pidfd_send_signal prctl prlimit64
  process_mrelease restart_syscall rseq set_robust_list set_thread_area set_tid_address setitimer setpgid setpriority
  setrlimit setsid tgkill times tkill ugetrlimit uretprobe vfork wait4 waitid waitpid`;

const SCHEDULING = `
  ioprio_get ioprio_set sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
  sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
  sched_setscheduler sched_yield`;

/** And what a process may give up by itself. */
const IDENTITY = `
  capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32
  getresuid getresuid32 getuid getuid32 landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp setfsgid
  setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32
  setresuid setresuid32 setreuid setreuid32 setuid setuid32`;

const SIGNALS = `
  pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
  rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack signalfd signalfd4 sigprocmask sigreturn`;

/** Setting the clock takes CAP_SYS_TIME besides, which adjtimex(2) needs only for that. */
const TIME = `
  adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
  clock_nanosleep clock_nanosleep_time64 gettimeofday nanosleep time timer_create timer_delete timer_getoverrun
  timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64
  timerfd_settime timerfd_settime64`;

const WAITING = `
  epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 fanotify_mark futex
  futex_requeue futex_time64 futex_wait futex_waitv futex_wake inotify_add_watch inotify_init inotify_init1
  inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit _newselect
  poll ppoll ppoll_time64 pselect6 pselect6_time64 select`;

/** socketcall(2) can make any socket: see docs/seccomp.md. */
const SOCKETS = `
  accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 recvmsg
  send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair`;

const MESSAGES = `
  ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink
  msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget`;

const MACHINE = "getrandom sysinfo uname";

const words = (text: string) => text.trim().split(/\s+/);

function allow(names: string, conditions: Partial<ProfileRule> = {}): ProfileRule {
  return { names: words(names), action: "SCMP_ACT_ALLOW", args: [], ...conditions };
}

const filter = (some: Partial<ProfileFilter>): ProfileFilter => ({ caps: [], arches: [], ...some });

/** Allowed with a capability, for which the kernel asks anyway. */
const withCapability = (capability: string, names: string) =>
  allow(names, { includes: filter({ caps: [capability] }) });

const on = (arches: readonly string[], names: string) => allow(names, { includes: filter({ arches }) });

const where = (index: number, op: SeccompOperator, value: number, valueTwo = 0): SeccompCondition => ({
  index,
  op,
  value: BigInt(value),
  valueTwo: BigInt(valueTwo),
});

/**
 * Families of sockets (address_families(7)), all but AF_ALG (38), the kernel's cryptography, and AF_VSOCK (40), which reaches
 * the host of a virtual machine: those below 32, 32 to 35, 36 and 37, 39, 41, 42 and 43, 44 to 47. A family is an int: the
 * kernel drops the argument's upper half, so that comparing all of it, as docker does, lets 2^32 + 40 pass.
 */
const FAMILIES: readonly (readonly [mask: number, value: number])[] = [
  [0xffffffe0, 0],
  [0xfffffffc, 32],
  [0xfffffffe, 36],
  [0xffffffff, 39],
  [0xffffffff, 41],
  [0xfffffffe, 42],
  [0xfffffffc, 44],
];

/** All of clone(2)'s CLONE_NEW..., save for that of time, which is none of its flags. */
const NEW_NAMESPACES = 0x7e020000;

/** personality(2): PER_LINUX, PER_LINUX32, both with UNAME26, and the question which one it is. */
const PERSONALITIES = [0, 0x8, 0x20000, 0x20008, 0xffffffff];

const noAdmin = { excludes: filter({ caps: ["CAP_SYS_ADMIN"] }) };

export const DEFAULT_PROFILE: Profile = {
  defaultAction: "SCMP_ACT_ERRNO",
  defaultErrnoRet: EPERM,
  // not x32, which hardly a program uses
  archMap: [["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]],
  architectures: [],
  flags: [],
  syscalls: [
    allow(
      [
        FILES,
        ATTRIBUTES,
        MOUNTS,
        MEMORY,
        PROCESSES,
        SCHEDULING,
        IDENTITY,
        SIGNALS,
        TIME,
        WAITING,
        SOCKETS,
        MESSAGES,
        MACHINE,
      ]
        .join(" "),
    ),
    // before Linux 4.8 they were a way around the filter
    allow("process_vm_readv process_vm_writev ptrace", { includes: filter({ minKernel: [4, 8] }) }),
    ...FAMILIES.map(([mask, value]) =>
      allow("socket", { args: [where(0, "SCMP_CMP_MASKED_EQ", mask, value)] })
    ),
    ...PERSONALITIES.map((value) => allow("personality", { args: [where(0, "SCMP_CMP_EQ", value)] })),
    // user namespaces above all: in one of its own a process has all capabilities, over kernel code that few have tried
    allow("clone", { args: [where(0, "SCMP_CMP_MASKED_EQ", NEW_NAMESPACES, 0)], ...noAdmin }),
    // its flags lie in memory; what is not implemented makes libc use clone(2)
    { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS, args: [], ...noAdmin },
    on(["amd64"], "arch_prctl modify_ldt"),
    on(["arm64"], "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2"),
    withCapability("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    withCapability(
      "CAP_SYS_ADMIN",
      `bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules
       lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname
       sethostname setns syslog umount umount2 unshare`,
    ),
    withCapability("CAP_SYS_BOOT", "reboot"),
    withCapability("CAP_SYS_CHROOT", "chroot"),
    withCapability("CAP_SYS_MODULE", "delete_module finit_module init_module"),
    withCapability("CAP_SYS_PACCT", "acct"),
    withCapability(
      "CAP_SYS_PTRACE",
      "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
    ),
    withCapability("CAP_SYS_RAWIO", "ioperm iopl"),
    withCapability("CAP_SYS_TIME", "clock_settime clock_settime64 settimeofday stime"),
    withCapability("CAP_SYS_TTY_CONFIG", "vhangup"),
    withCapability("CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    withCapability("CAP_SYSLOG", "syslog"),
    withCapability("CAP_BPF", "bpf"),
    withCapability("CAP_PERFMON", "perf_event_open"),
  ],
};
