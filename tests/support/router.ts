/**
 * A program of python that tells all on a link of a prefix, and of itself as the way out, as a router does (RFC 4861, 4.2).
 * @param prefix of 64 bits
 */
export const advertise = (link: string, prefix: string) => `
import socket, struct
link = socket.if_nametoindex("${link}")
prefix = socket.inet_pton(socket.AF_INET6, "${prefix}")
message = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
message += struct.pack("!BBBBIII16s", 3, 4, 64, 0xc0, 2 ** 32 - 1, 2 ** 32 - 1, 0, prefix)
router = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
router.sendto(message, ("ff02::1", 0, 0, link))
`;
