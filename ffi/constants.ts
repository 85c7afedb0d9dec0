/**
 * Constants of the kernel's interface that dhow uses, under the names of its headers. Values are the same on x86-64
 * and arm64 unless a table says otherwise.
 */

// fcntl(2), open(2), openat2(2)
export const AT_FDCWD = -100;
export const AT_EMPTY_PATH = 0x1000;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0x400;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
export const F_DUPFD = 0;
export const F_SETFL = 4;
export const F_DUPFD_CLOEXEC = 1030;
export const F_ADD_SEALS = 1033;
export const F_SEAL_SEAL = 0x1;
export const F_SEAL_SHRINK = 0x2;
export const F_SEAL_GROW = 0x4;
export const F_SEAL_WRITE = 0x8;
const ARM64 = Deno.build.arch === "aarch64";
export const O_DIRECTORY = ARM64 ? 0o40000 : 0o200000;
export const O_NOFOLLOW = ARM64 ? 0o100000 : 0o400000;
export const O_TMPFILE = 0o20000000 | O_DIRECTORY;
export const RESOLVE_NO_XDEV = 0x01;
export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_NO_SYMLINKS = 0x04;
export const RESOLVE_BENEATH = 0x08;
export const RESOLVE_IN_ROOT = 0x10;

// lseek(2)
export const SEEK_END = 2;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

// fallocate(2)
export const FALLOC_FL_KEEP_SIZE = 0x1;

// statx(2)
export const STATX_TYPE = 0x1;
export const STATX_MNT_ID = 0x1000;
export const STATX_BASIC_STATS = 0x7ff;
export const STATX_BTIME = 0x800;

// inode(7)
export const S_IFMT = 0o170000;
export const S_IFREG = 0o100000;
export const S_IFDIR = 0o040000;
export const S_IFLNK = 0o120000;
export const S_IFSOCK = 0o140000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;
export const S_IFIFO = 0o010000;

// mount(2), mount_setattr(2), fsmount(2), open_tree(2), move_mount(2)
export const MS_RDONLY = 0x1;
export const MS_NOSUID = 0x2;
export const MS_NODEV = 0x4;
export const MS_NOEXEC = 0x8;
export const MS_SYNCHRONOUS = 0x10;
export const MS_REMOUNT = 0x20;
export const MS_MANDLOCK = 0x40;
export const MS_DIRSYNC = 0x80;
export const MS_NOATIME = 0x400;
export const MS_NODIRATIME = 0x800;
export const MS_BIND = 0x1000;
export const MS_REC = 0x4000;
export const MS_PRIVATE = 0x40000;
export const MS_SLAVE = 0x80000;
export const MS_RELATIME = 0x200000;
export const MS_STRICTATIME = 0x1000000;
export const MNT_DETACH = 0x2;
export const UMOUNT_NOFOLLOW = 0x8;
export const MOUNT_ATTR_RDONLY = 0x1;
export const MOUNT_ATTR_NOSUID = 0x2;
export const MOUNT_ATTR_NODEV = 0x4;
export const MOUNT_ATTR_NOEXEC = 0x8;
export const MOUNT_ATTR_IDMAP = 0x00100000;
export const FSOPEN_CLOEXEC = 0x1;
export const FSMOUNT_CLOEXEC = 0x1;
export const FSCONFIG_SET_FLAG = 0;
export const FSCONFIG_SET_STRING = 1;
export const FSCONFIG_CMD_CREATE = 6;
export const OPEN_TREE_CLONE = 0x1;
export const OPEN_TREE_CLOEXEC = O_CLOEXEC;
export const AT_RECURSIVE = 0x8000;
export const MOVE_MOUNT_F_EMPTY_PATH = 0x4;
export const MOVE_MOUNT_T_EMPTY_PATH = 0x40;

// clone(2), unshare(2)
export const CLONE_VM = 0x00000100;
export const CLONE_FILES = 0x00000400;
export const CLONE_PIDFD = 0x00001000;
export const CLONE_VFORK = 0x00004000;
export const CLONE_PARENT = 0x00008000;
export const CLONE_PARENT_SETTID = 0x00100000;
export const CLONE_NEWTIME = 0x00000080;
export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWCGROUP = 0x02000000;
export const CLONE_NEWUTS = 0x04000000;
export const CLONE_NEWIPC = 0x08000000;
export const CLONE_NEWUSER = 0x10000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;

// signal(7)
export const SIGNALS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;
export type SignalName = keyof typeof SIGNALS;

export const SIG_SETMASK = 2;

// prctl(2), setrlimit(2), close_range(2)
export const PR_SET_PDEATHSIG = 1;
export const PR_SET_SECUREBITS = 28;
export const SECBIT_NO_SETUID_FIXUP = 1 << 2;
export const PR_SET_DUMPABLE = 4;
export const PR_SET_NAME = 15;
export const PR_CAPBSET_DROP = 24;
export const PR_SET_NO_NEW_PRIVS = 38;
export const RLIMIT_NOFILE = 7;

// keyctl(2)
export const KEYCTL_JOIN_SESSION_KEYRING = 1;

// socket(2), ip(7), netdevice(7)
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = O_NONBLOCK;
export const SOCK_CLOEXEC = O_CLOEXEC;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_SCTP = 132;
export const IPPROTO_RAW = 255;
export const SOL_IP = 0;
export const IP_FREEBIND = 15;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_RCVTIMEO = 20;
export const SO_SNDTIMEO = 21;
export const MSG_DONTWAIT = 0x40;
export const MSG_WAITALL = 0x100;
export const MSG_NOSIGNAL = 0x4000;
export const IPV6_V6ONLY = 26;
export const SIOCSIFFLAGS = 0x8914;
/** linux/sockios.h: makes a link a port of a bridge. */
export const SIOCBRADDIF = 0x89a2;
export const IFF_UP = 1;

// netlink(7), linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
export const NETLINK_NETFILTER = 12;
export const NLM_F_REQUEST = 1;
export const NLM_F_DUMP = 0x300;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLA_F_NESTED = 0x8000;
export const NFNL_SUBSYS_NFTABLES = 10;
export const NFT_MSG_NEWGEN = 15;
export const NFT_MSG_GETGEN = 16;
export const NFTA_GEN_ID = 1;

// linux/netfilter/nfnetlink_conntrack.h; flags of filters: net/netfilter/nf_internals.h of Linux
export const NFNL_SUBSYS_CTNETLINK = 1;
export const IPCTNL_MSG_CT_NEW = 0;
export const IPCTNL_MSG_CT_GET = 1;
export const IPCTNL_MSG_CT_DELETE = 2;
export const CTA_TUPLE_ORIG = 1;
export const CTA_TUPLE_REPLY = 2;
export const CTA_ID = 12;
export const CTA_ZONE = 18;
export const CTA_FILTER = 25;
export const CTA_TUPLE_IP = 1;
export const CTA_TUPLE_PROTO = 2;
export const CTA_IP_V4_SRC = 1;
export const CTA_IP_V4_DST = 2;
export const CTA_IP_V6_SRC = 3;
export const CTA_IP_V6_DST = 4;
export const CTA_PROTO_NUM = 1;
export const CTA_PROTO_SRC_PORT = 2;
export const CTA_PROTO_DST_PORT = 3;
export const CTA_FILTER_ORIG_FLAGS = 1;
export const CTA_FILTER_F_CTA_PROTO_NUM = 8;
export const CTA_FILTER_F_CTA_PROTO_DST_PORT = 32;

// linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h
export const IPT_SO_GET_INFO = 64;

// pidfd_send_signal(2)
export const PIDFD_SIGNAL_PROCESS_GROUP = 4;

// seccomp(2), capset(2)
export const SECCOMP_SET_MODE_FILTER = 1;
export const LINUX_CAPABILITY_VERSION_3 = 0x20080522;

// poll(2)
export const POLLIN = 1;
export const POLLOUT = 4;

// inotify(7)
export const IN_MODIFY = 0x2;
export const IN_MOVED_TO = 0x80;
export const IN_CREATE = 0x100;
export const IN_DELETE = 0x200;
export const IN_NONBLOCK = 0x800;
export const IN_CLOEXEC = 0x80000;

// setitimer(2)
export const ITIMER_REAL = 0;

// memfd_create(2)
export const MFD_CLOEXEC = 0x1;
export const MFD_ALLOW_SEALING = 0x2;
export const MFD_EXEC = 0x10;

// waitid(2); clock_gettime(2)
export const P_ALL = 0;
export const WEXITED = 0x00000004;
export const WNOHANG = 0x00000001;
export const WNOWAIT = 0x01000000;
export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;

// mmap(2)
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;
export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_ANONYMOUS = 0x20;

// ioctl_tty(2); struct termios of the kernel is 36 bytes, struct winsize 8
export const TCGETS = 0x5401;
export const TCSETS = 0x5402;
export const TCSETSW = 0x5403;
export const TIOCSCTTY = 0x540e;
export const TIOCGWINSZ = 0x5413;
export const TIOCSWINSZ = 0x5414;
export const TIOCGPGRP = 0x540f;
export const TIOCSPGRP = 0x5410;
export const TIOCSPTLCK = 0x40045431;
export const TIOCGPTPEER = 0x5441;

/**
 * Calls that are made through syscall(2): glibc 2.31, which comes with the oldest kernels that dhow runs on, has no
 * function for them, or one that a child of clone(2) must not use.
 */
export const SYSTEM_CALLS: Readonly<Record<string, number>> = {
  // glibc's wrapper keeps signals 32 and 33 to itself
  rt_sigaction: ARM64 ? 134 : 13,
  // glibc's wrappers of these make every thread that it remembers do the same; a child has only copies of those records
  setgroups: ARM64 ? 159 : 116,
  setresuid: ARM64 ? 147 : 117,
  setresgid: ARM64 ? 149 : 119,
  setfsuid: ARM64 ? 151 : 122,
  setfsgid: ARM64 ? 152 : 123,
  capset: ARM64 ? 91 : 126,
  seccomp: ARM64 ? 277 : 317,
  mknodat: ARM64 ? 33 : 259,
  keyctl: ARM64 ? 219 : 250,
  memfd_create: ARM64 ? 279 : 319,
  execveat: ARM64 ? 281 : 322,
  bpf: ARM64 ? 280 : 321,
  rt_sigprocmask: ARM64 ? 135 : 14,
  signalfd4: ARM64 ? 74 : 289,
  pidfd_send_signal: 424,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  pidfd_open: 434,
  clone3: 435,
  close_range: 436,
  openat2: 437,
  pidfd_getfd: 438,
  mount_setattr: 442,
};

// ioctl_ns(2)
export const NS_GET_USERNS = 0xb701;
export const NS_GET_PARENT = 0xb702;
export const NS_GET_OWNER_UID = 0xb704;
