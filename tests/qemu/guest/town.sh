# A town in the machine: three homes with a gateway (g1..g3) and a client (c1..c3) each, lines to a core, an exit, a web server,
# and radios in one mesh. Functions for the machine's shell; each is one step that the host asks for.

# join NAME DEVICE NUMBER.NET: a pair to the core with a /30, and the default route over it.
join() {
	ip link add "$2" netns "$1" type veth peer name "to-$1" netns core
	ip -n "$1" address add "$3.2/30" dev "$2"
	ip -n core address add "$3.1/30" dev "to-$1"
	ip -n "$1" link set "$2" up
	ip -n core link set "to-$1" up
	ip -n "$1" route add default via "$3.1"
}

# shape NAME DEVICE RATE DELAY: both ways. The rate counts from the IP header on; large segments are cut first.
shape() {
	inside "$1" ethtool -K "$2" tso off gso off gro off >/dev/null
	inside core ethtool -K "to-$1" tso off gso off gro off >/dev/null
	pace "$@"
}

# pace NAME DEVICE RATE DELAY [MORE]: netem's words for that, and whatever more it is to do.
pace() {
	name=$1 device=$2 rate=$3 delay=$4
	shift 4
	inside "$name" tc qdisc replace dev "$device" root netem limit 60 rate "$rate" -14 delay "$delay" "$@"
	inside core tc qdisc replace dev "to-$name" root netem limit 60 rate "$rate" -14 delay "$delay" "$@"
}

# home NUMBER RATE DELAY
home() {
	space "g$1"
	space "c$1"
	router "g$1"
	join "g$1" wan0 "88.10.$1"
	shape "g$1" wan0 "$2" "$3"
	ip link add lan0 netns "g$1" type veth peer name eth0 netns "c$1"
	ip -n "g$1" address add 192.168.1.1/24 dev lan0
	ip -n "c$1" address add 192.168.1.10/24 dev eth0
	ip -n "g$1" link set lan0 up
	ip -n "c$1" link set eth0 up
	ip -n "c$1" route add default via 192.168.1.1
	inside "g$1" nft -f /bin/home.nft
}

# radio NUMBER mesh|ibss: a radio of its own for the gateway, in 802.11s or ad hoc.
radio() {
	phy=phy$(($1 - 1))
	iw phy "$phy" set netns name "g$1"
	device=$(inside "g$1" iw dev | sed -n 's/.*Interface //p' | head -n 1)
	ip -n "g$1" link set "$device" down
	ip -n "g$1" link set "$device" name mesh0
	if [ "$2" = mesh ]; then
		inside "g$1" iw dev mesh0 set type mp
		ip -n "g$1" link set mesh0 up
		inside "g$1" iw dev mesh0 mesh join elm-street freq 2437
	else
		inside "g$1" iw dev mesh0 set type ibss
		ip -n "g$1" link set mesh0 up
		# The cell's name is given, as such networks do it: left to themselves radios found cells of their own and merge them at leisure.
		inside "g$1" iw dev mesh0 ibss join elm-street 2437 fixed-freq 02:ca:ff:ee:ba:be
	fi
}

# settle: until each radio has met the two others.
settle() {
	for number in 1 2 3; do
		for try in $(seq 400); do
			met=$(inside "g$number" iw dev mesh0 station dump | grep -c '^Station')
			[ "$met" = 2 ] && continue 2
			sleep 0.1
		done
		echo "the radio of gateway $number has met $met others"
		return 1
	done
}

# town mesh|ibss RATE DELAY
town() {
	space core
	router core
	ip -n core address add "$RESOLVER/32" dev lo
	modprobe mac80211_hwsim radios=3
	for number in 1 2 3; do
		home "$number" "$2" "$3"
		radio "$number" "$1"
	done
	space exit
	join exit eth0 88.200.0
	space web
	join web eth0 88.220.0
	mkdir -p /tmp/www/cgi-bin
	answer='#!/bin/sh\necho "Content-Type: text/plain"\necho\n'
	printf "$answer"'md5sum | cut -d" " -f1\n' >/tmp/www/cgi-bin/sum
	printf "$answer"'echo "$REMOTE_ADDR"\n' >/tmp/www/cgi-bin/who
	chmod +x /tmp/www/cgi-bin/*
	inside web httpd -h /tmp/www -p 80
	settle
	lean
}

# publish BYTES: a file of that size, /file; its checksum. Text, because busybox sends nothing behind a zero byte. Random letters
# are dear on such a processor: some of them, again and again, each time with another number before them.
publish() {
	head -c 100000 /dev/urandom | base64 >/tmp/letters
	part=0
	while [ $((part * 100000)) -lt "$1" ]; do
		echo "$part"
		cat /tmp/letters
		part=$((part + 1))
	done | head -c "$1" >/tmp/www/file
	md5sum </tmp/www/file | cut -d' ' -f1
}

# load CLIENT OPTIONS URL. Debian's wget of busybox crashes when it is told to be quiet or to wait no longer than so.
load() {
	name=$1
	shift
	inside "$name" timeout 300 wget "$@" 2>/dev/null
}

# fetch CLIENT SUM: the file whole and right; how many seconds that took.
fetch() {
	begun=$(now)
	got=$(load "$1" -O - "http://$WEB/file" | md5sum | cut -d' ' -f1)
	[ "$got" = "$2" ] || { echo "the checksum is $got and not $2"; return 1; }
	since "$begun"
}

# send CLIENT SUM: the file up, and what the server says of it.
send() {
	begun=$(now)
	got=$(load "$1" -O - --post-file /tmp/www/file "http://$WEB/cgi-bin/sum")
	[ "$got" = "$2" ] || { echo "the server's checksum is $got and not $2"; return 1; }
	since "$begun"
}

# rate CLIENT WARM SECONDS [COUNT]: payload bytes that a download, or so many at once, brings in SECONDS, after WARM seconds; and
# hundredths of a second.
rate() {
	loaders=
	for number in $(seq "${4:-1}"); do
		load "$1" -O "/tmp/download-$number" "http://$WEB/file" &
		loaders="$loaders $!"
	done
	sleep "$2"
	begun=$(now)
	first=$(loaded)
	sleep "$3"
	last=$(loaded)
	echo "$((last - first)) $(($(now) - begun))"
	kill $loaders 2>/dev/null
	wait $loaders 2>/dev/null
	rm -f /tmp/download-*
}

# loaded: bytes of all downloads so far.
loaded() { cat /tmp/download-* | wc -c; }

# seen CLIENT COUNT: under how many addresses the server sees so many connections.
seen() {
	for number in $(seq "$2"); do
		load "$1" -O - "http://$WEB/cgi-bin/who"
	done | sort | uniq -c | sort -rn | awk '{ printf "%s%s x %s", n++ ? ", " : "", $2, $1 }'
}

# booked KIND NUMBER...: bytes of that kind in the ledgers of these gateways, both ways.
booked() {
	kind=$1
	shift
	for number in "$@"; do
		burstmesh ledger --csv --socket "/tmp/g$number.sock"
	done | awk -F, -v kind="$kind" '$2 == kind { sum += $5 + $6 } END { printf "%.0f ", sum }'
}

# crossed NUMBER: bytes from the IP header on that the interface to a gateway's line carried, both ways.
crossed() {
	inside "g$1" sh -c 'cd /sys/class/net/wan0/statistics && cat rx_bytes tx_bytes rx_packets tx_packets' |
		awk 'NR < 3 { sum += $1 } NR > 2 { sum -= 14 * $1 } END { printf "%.0f\n", sum }'
}

# cable NUMBER up|down: the line of a gateway, pulled at the provider's end.
cable() {
	ip -n core link set "to-g$1" "$2"
	[ "$2" = down ] || ip -n "g$1" route replace default via "88.10.$1.1"
}

# hush NUMBER RATE DELAY: nothing passes a gateway's line any more, and its carrier stays. speak: with the same words, it does again.
hush() { pace "g$1" wan0 "$2" "$3" loss 100%; }
speak() { pace "g$1" wan0 "$2" "$3"; }

# pings CLIENT COUNT: median and 99th percentile of so many round trips in ms, one begun each 20 ms. A lost one is as late as can be.
pings() {
	inside "$1" ping -i 0.02 -c "$2" "$WEB" | sed -n 's/.*time=\([0-9.]*\) ms/\1/p' | sort -n |
		awk -v sent="$2" '{ time[NR] = $1 } function at(p) { n = int(sent * p + 0.999); return n in time ? time[n] : 9999 } END { print at(0.5), at(0.99) }'
}

# pings_beside LOADER CLIENT COUNT: the same while another client, or the same one, downloads.
pings_beside() {
	load "$1" -O /tmp/download-1 "http://$WEB/file" &
	loader=$!
	sleep 4
	pings "$2" "$3"
	kill "$loader" 2>/dev/null
	wait "$loader" 2>/dev/null
	rm -f /tmp/download-1
}

# timeouts: of retransmission, that the server's TCP has had so far.
timeouts() {
	inside web cat /proc/net/netstat | awk '/^TcpExt/ { if (at) print $at; else for (i = 1; i <= NF; i++) if ($i == "TCPTimeouts") at = i }'
}

# silence CLIENT NUMBER RATE DELAY SECONDS: a download of so many seconds, and after three a line falls silent for three: what the client
# says (bytes, longest gap in ms, 300 ms without any), and the server's timeouts meanwhile.
silence() {
	before=$(timeouts)
	(sleep 3; hush "$2" "$3" "$4"; sleep 3; speak "$2" "$3" "$4") &
	said=$(inside "$1" burstmesh-bench receive "$WEB:80" /file "$5") || { echo "$said"; return 1; }
	wait $!
	echo "$said $(($(timeouts) - before))"
}

# range NUMBER GROUP: radios hear each other only in one group (1 at the beginning).
range() {
	[ -d /sys/kernel/debug/ieee80211 ] || mount -t debugfs debugfs /sys/kernel/debug
	echo "$2" >"/sys/kernel/debug/ieee80211/phy$(($1 - 1))/hwsim/group"
}

# lean: what is loaded, or was needed to build the town, is in memory once more as files. A router has these on its flash.
lean() {
	rm -f "$(command -v ethtool)" "$(command -v iw)"
	while read -r name _; do
		find /lib/modules -name "$(echo "$name" | tr _ '?').ko" -exec rm {} +
	done </proc/modules
}
