/**
 * SCTP by hand (RFC 9260), from raw sockets: what a network does to its packets can be seen also where the kernel has no SCTP of its
 * own. A server answers INIT by INIT ACK, with the client's address and port in the cookie.
 */
import type { Host } from "./host.ts";

const SCRIPT = `
import socket, struct, sys

def checksum(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff

def packet(source, target, tag, chunk):
    head = struct.pack("!HHI", source, target, tag)
    return head + struct.pack("<I", checksum(head + bytes(4) + chunk)) + chunk

def received(kind):
    while True:
        data, (address, _) = s.recvfrom(1500)
        data = data[(data[0] & 15) * 4:]
        source, target, tag = struct.unpack("!HHI", data[:8])
        if data[12] != kind:
            continue
        if struct.unpack("<I", data[8:12])[0] != checksum(data[:8] + bytes(4) + data[12:]):
            raise ValueError("a wrong checksum")
        return address, source, target, tag, data[12:]

INIT, INIT_ACK, COOKIE = 1, 2, 7
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)
if sys.argv[1] == "serve":
    print("up", flush=True)
    while True:
        address, source, target, _, chunk = received(INIT)
        if target != int(sys.argv[2]):
            continue
        cookie = f"{address} {source}".encode()
        cookie += bytes(-len(cookie) % 4)
        own = struct.pack("!IIHHI", 9, 65536, 1, 1, 1) + struct.pack("!HH", COOKIE, 4 + len(cookie)) + cookie
        answer = struct.pack("!BBH", INIT_ACK, 0, 4 + len(own)) + own
        s.sendto(packet(target, source, struct.unpack("!I", chunk[4:8])[0], answer), (address, 0))
else:
    s.settimeout(20)
    server, port = sys.argv[2], int(sys.argv[3])
    s.sendto(packet(4242, port, 0, struct.pack("!BBHIIHHI", INIT, 0, 20, 7, 65536, 1, 1, 1)), (server, 0))
    while True:
        address, source, target, tag, chunk = received(INIT_ACK)
        if (address, source, target, tag) == (server, port, 4242, 7):
            break
    print(chunk[24:].rstrip(bytes(1)).decode())
`;

/** The command of a server for a port, which says `up` when it is there. */
export async function sctpServer(host: Host, port: number): Promise<string[]> {
  return ["/usr/bin/python3", await host.write("sctp.py", SCRIPT), "serve", `${port}`];
}

/** The command of a client, which prints where the server sees it come from: `ADDRESS PORT`. */
export async function sctpClient(host: Host, address: string, port: number): Promise<string[]> {
  return ["/usr/bin/python3", await host.write("sctp.py", SCRIPT), "ask", address, `${port}`];
}
