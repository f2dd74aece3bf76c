"""Shut this process in: limits that every Unix has, and on Linux two filters of the kernel that need no privileges.

    limits    memory, size of a file, open files, processors' time        (setrlimit)
    files     read Python and the package, write the temporary folder     (Landlock, Linux 5.13)
    calls     no process, no network, no signal to others, no tracing      (seccomp, Linux 3.17, x86-64 and arm64)

Neither filter can be taken off again. `confine` says which of the three are in force; it imports nothing of the
package, since it runs in the process that it shuts in.
"""

import ctypes
import os
import platform
import struct
import sys

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

# --- limits ---------------------------------------------------------------------------------------


def limit(memory, seconds, file_bytes):
    """Caps of this process: bytes of memory, seconds of processor time, bytes of a file."""
    caps = {"AS": memory, "CPU": seconds, "FSIZE": file_bytes, "NOFILE": 128, "CORE": 0, "NPROC": 0}
    for name, value in caps.items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError):  # macOS knows RLIMIT_AS and refuses to set it
            continue


# --- Landlock: files ------------------------------------------------------------------------------

EXECUTE, WRITE, READ, LIST, CUT = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
WRITING = {1: 0x1FF2, 2: 0x3FF2, 3: 0x7FF2}  # what each version of Landlock can forbid besides reading
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2


def shut_files(readable, listable, writable):
    """From now on only these paths may be read, listed, written; with what is below them. False where it cannot be."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(444, None, 0, 1)
    if version < 1:
        return False
    handled = READ | LIST | EXECUTE | WRITING[min(version, 3)]
    attributes = struct.pack("Q", handled)
    rules = libc.syscall(444, attributes, len(attributes), 0)
    if rules < 0:
        return False
    for paths, may in ((readable, READ | LIST | EXECUTE), (listable, LIST), (writable, handled & ~EXECUTE)):
        for path in paths:
            _allow(libc, rules, path, may)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    done = libc.syscall(446, rules, 0) == 0
    os.close(rules)
    return done


def _allow(libc, rules, path, may):
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):
        may &= READ | EXECUTE | WRITE | CUT  # the rest is for folders
    rule = struct.pack("=Qi", may, descriptor)
    libc.syscall(445, rules, 1, rule, 0)
    os.close(descriptor)


# --- seccomp: calls of the kernel -----------------------------------------------------------------

ALLOW, REFUSE, UNKNOWN = 0x7FFF0000, 0x00050001, 0x00050026  # go on; EPERM; ENOSYS
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
CLONE_THREAD = 0x00010000
# name -> (x86-64, arm64). Those of `DENIED` are refused whatever they are asked.
ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
DENIED = {
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281), "socket": (41, 198),
    "socketpair": (53, 199), "connect": (42, 203), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438), "setpriority": (141, 140), "memfd_create": (319, 279),
    "io_uring_setup": (425, 425), "bpf": (321, 280), "perf_event_open": (298, 241), "mount": (165, 40),
    "umount2": (166, 39), "unshare": (272, 97), "setns": (308, 268), "chroot": (161, 51), "keyctl": (250, 219),
    "add_key": (248, 217), "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "userfaultfd": (323, 282),
}  # fmt: skip
CLONE, CLONE3, PRLIMIT = (56, 220), (435, 435), (302, 261)


def shut_calls():
    """From now on this process makes no other, opens no connection and signals nobody. False where it cannot be."""
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES:
        return False
    word, column = ARCHITECTURES[platform.machine()]
    rules = [_jump(LOAD, 4), _jump(EQUAL, word, 1, 0), _jump(RETURN, REFUSE), _jump(LOAD, 0)]
    if column == 0:  # x86-64 has a second numbering of the same calls, from 2**30
        rules += [_jump(0x35, 0x40000000, 0, 1), _jump(RETURN, REFUSE)]
    for numbers in DENIED.values():
        if numbers[column] is not None:
            rules += [_jump(EQUAL, numbers[column], 0, 1), _jump(RETURN, REFUSE)]
    rules += [_jump(EQUAL, CLONE3[column], 0, 1), _jump(RETURN, UNKNOWN)]  # the C library falls back to clone
    rules += [_jump(EQUAL, CLONE[column], 0, 4), _jump(LOAD, 16), _jump(ANY_BIT, CLONE_THREAD, 0, 1),
              _jump(RETURN, ALLOW), _jump(RETURN, REFUSE)]  # fmt: skip
    rules += [_jump(EQUAL, PRLIMIT[column], 0, 4), _jump(LOAD, 16), _jump(EQUAL, 0, 0, 1),
              _jump(RETURN, ALLOW), _jump(RETURN, REFUSE)]  # fmt: skip  # limits of oneself only
    rules += [_jump(RETURN, ALLOW)]
    program = ctypes.create_string_buffer(b"".join(rules))
    pointer = struct.pack("HxxxxxxQ", len(rules), ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    return libc.prctl(PR_SET_SECCOMP, FILTER, ctypes.create_string_buffer(pointer), 0, 0) == 0


def _jump(code, value, if_true=0, if_false=0):
    """One instruction of the filter: 8 bytes."""
    return struct.pack("HBBI", code, if_true, if_false, value)


def confine(options):
    """Shut this process in; returns which of "limits", "files" and "calls" are in force."""
    files = shut_files(options["readable"], options["listable"], options["writable"])
    calls = shut_calls()
    if resource:
        limit(options["memory"], options["processor_seconds"], options["file_bytes"])
    return {"limits": resource is not None, "files": files, "calls": calls}
