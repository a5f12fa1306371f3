# The benchmark's road: LAN client c1 -> gateway g1 -> exit -> server web, on one processor; g2 and g3 are neighbours.

# Before Linux 6.5 the kernel looks for the socket of what it could glue without the interface that it came in on, and finds none that is
# bound to one, as the agent's are. Where nobody is found this glues too. OpenWrt 24.10 has 6.6, where nothing is to be done.
readonly TRAINS="rx-udp-gro-forwarding on"

# pair NAME DEVICE NUMBER.NET: from a gateway to the exit, a /30 and the default route.
pair() {
	ip link add "$2" netns "$1" type veth peer name "to-$1" netns exit
	ip -n "$1" address add "$3.2/30" dev "$2"
	ip -n exit address add "$3.1/30" dev "to-$1"
	ip -n "$1" link set "$2" up
	ip -n exit link set "to-$1" up
	ip -n "$1" route add default via "$3.1"
	# As usual Ethernet ports of routers: checksums and GRO, but no segmentation by the hardware.
	inside "$1" ethtool -K "$2" tso off tx-udp-segmentation off gro on $TRAINS >/dev/null
	inside exit ethtool -K "to-$1" tso off tx-udp-segmentation off gro on >/dev/null
}

# gateway NUMBER: with a line, a LAN and a port to the mesh, which here is a wire.
gateway() {
	space "g$1"
	space "c$1"
	router "g$1"
	pair "g$1" wan0 "88.10.$1"
	ip link add lan0 netns "g$1" type veth peer name eth0 netns "c$1"
	ip -n "g$1" address add 192.168.1.1/24 dev lan0
	ip -n "c$1" address add 192.168.1.10/24 dev eth0
	ip -n "g$1" link set lan0 up
	ip -n "c$1" link set eth0 up
	ip -n "c$1" route add default via 192.168.1.1
	# Frames of 1500 bytes come in, as from any device of a household.
	inside "c$1" ethtool -K eth0 tso off gso off >/dev/null
	inside "g$1" ethtool -K lan0 tso off gro off >/dev/null
	inside "g$1" nft -f /bin/home.nft
	ip link add mesh0 netns "g$1" type veth peer name "air$1" netns air
	# The kernel glues what comes in here too, as with radio drivers that use NAPI (mt76, ath10k, ath11k). A veth does so only where
	# its other end segments nothing.
	inside "g$1" ethtool -K mesh0 tso off tx-udp-segmentation off gro on $TRAINS >/dev/null
	inside air ethtool -K "air$1" tso off tx-udp-segmentation off >/dev/null
	ip -n air link set "air$1" master air up
	ip -n "g$1" link set mesh0 up
}

road() {
	space exit
	router exit
	ip -n exit address add "$EXIT/32" dev lo
	space web
	ip link add eth0 netns exit type veth peer name eth0 netns web
	ip -n exit address add 88.220.0.1/30 dev eth0
	ip -n web address add "$WEB/30" dev eth0
	ip -n exit link set eth0 up
	ip -n web link set eth0 up
	ip -n web route add default via 88.220.0.1
	space air
	ip -n air link add air type bridge mcast_snooping 0
	ip -n air link set air up
	for number in 1 2 3; do
		gateway "$number"
	done
	inside web iperf3 -s -D
	inside exit nft -f /bin/peer.nft
}

# gro on|off: of the LAN port, where the client's frames come in.
gro() { inside g1 ethtool -K lan0 gro "$1" >/dev/null; }

# The peer: kernel WireGuard on the same road, with the same translations.
wireguard() {
	for end in g1 exit; do
		ip -n "$end" link add wg0 type wireguard
		(umask 077 && wg genkey >"/tmp/$end.wg")
		wg pubkey <"/tmp/$end.wg" >"/tmp/$end.wgpub"
	done
	inside exit wg set wg0 listen-port 51820 private-key /tmp/exit.wg \
		peer "$(cat /tmp/g1.wgpub)" allowed-ips 10.9.0.2/32
	inside g1 wg set wg0 private-key /tmp/g1.wg \
		peer "$(cat /tmp/exit.wgpub)" allowed-ips 0.0.0.0/0 endpoint "$EXIT:51820"
	ip -n exit address add 10.9.0.1/24 dev wg0
	ip -n g1 address add 10.9.0.2/24 dev wg0
	ip -n exit link set wg0 up
	ip -n g1 link set wg0 up
	ip -n g1 rule add iif lan0 table 9 priority 9
	ip -n g1 route add default dev wg0 table 9
}

no_wireguard() {
	ip -n g1 rule del priority 9
	ip -n g1 link del wg0
	ip -n exit link del wg0
}

# stop NUMBER: the agent of a gateway.
stop() {
	kill "$(cat "/tmp/g$1.pid")"
	rm -f "/tmp/g$1.pid"
	sleep 1
}

# line NUMBER up|down
line() {
	ip -n exit link set "to-g$1" "$2"
	[ "$2" = down ] || ip -n "g$1" route replace default via "88.10.$1.1"
}

# paced RATE: every line, both ways, from the IP header on.
paced() {
	for number in 1 2 3; do
		inside "g$number" tc qdisc replace dev wan0 root netem limit 200 rate "$1" -14 delay 5ms
		inside exit tc qdisc replace dev "to-g$number" root netem limit 200 rate "$1" -14 delay 5ms
		inside "g$number" ethtool -K wan0 gso off >/dev/null
		inside exit ethtool -K "to-g$number" gso off >/dev/null
	done
}

# snapshot: processor time and counters now, one a line.
snapshot() {
	read -r _ _ _ _ idle _ </proc/stat
	echo "snapshot $(now) $idle"
	[ -f /tmp/exit/pid ] && echo "spent exit $(spent "$(cat /tmp/exit/pid)")"
	for pid in /tmp/g?.pid; do
		[ -f "$pid" ] || continue
		gateway=${pid#/tmp/g}
		gateway=${gateway%.pid}
		echo "spent g$gateway $(spent "$(cat "$pid")")"
		echo "status g$gateway $(status "$gateway")"
	done
}

# flow up|down SECONDS: one TCP flow between the client and the server.
flow() {
	[ "$1" = up ] && back= || back=-R
	snapshot
	inside c1 iperf3 -c "$WEB" -t "$2" -O 1 -i 1 -J $back | tr -d '\n\t'
	echo
	snapshot
}

# strangers: one in radio range of the gateways, and one beside them at whose ports nobody listens.
strangers() {
	for name in stranger nobody; do
		space "$name"
		ip link add mesh0 netns "$name" type veth peer name "to-$name" netns air
		ip -n air link set "to-$name" master air up
		ip -n "$name" link set mesh0 up
	done
	sleep 2
}

# local_address NAME: the address of its mesh port.
local_address() { ip -n "$1" -6 -o address show dev mesh0 scope link | sed 's/.*inet6 \([^/]*\).*/\1/'; }

# flow_beside junk|handshakes NAME SECONDS: a flow up, and a flood at somebody's mesh port meanwhile.
flow_beside() {
	scope=$(ip -n stranger -o link show dev mesh0)
	inside stranger burstmesh-bench flood "$1" "[$(local_address "$2")%${scope%%:*}]:4454" $(($3 + 1)) \
		/tmp/invitation /tmp/g1.key >/tmp/flood 2>&1 &
	thrower=$!
	flow up "$3"
	wait "$thrower"
	cat /tmp/flood
}

# polls NUMBER COUNT: what each of so many questions for the whole status costs the agent of a gateway, in microseconds, with all that it does meanwhile.
polls() {
	pid=$(cat "/tmp/g$1.pid")
	before=$(spent "$pid")
	for _ in $(seq "$2"); do
		status "$1" >/dev/null
	done
	echo "$((($(spent "$pid") - before) / $2 / 1000)) us a poll, $(status "$1" | wc -c) bytes"
}
