# Functions that the scenes share: namespaces, pairs, the exit, agents, and what they tell.

# Names of the core's ends are to-NAME. Addresses are those of the namespace lab: they must look public to the exit.
readonly EXIT=88.200.0.2 WEB=88.220.0.2 RESOLVER=88.255.0.53

# busybox prefers its own applets to files of that name; these two are meant.
ip() { /bin/ip "$@"; }
tc() { /bin/tc "$@"; }

inside() { ip netns exec "$@"; }

# Guest time in hundredths of a second.
now() {
	read -r up _ </proc/uptime
	echo "${up%.*}${up#*.}"
}

# since BEGIN: seconds with two decimals.
since() {
	took=$(($(now) - $1))
	printf '%d.%02d\n' $((took / 100)) $((took % 100))
}

space() {
	ip netns add "$1"
	ip -n "$1" link set lo up
}

router() { inside "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1; }

# The benchmark's web server stands on the link of the exit's uplink.
start_exit() {
	mkdir -p /tmp/exit
	printf 'state_dir = "/tmp/exit/state"\ncontrol = "/tmp/exit/sock"\n[nat]\nuplink = "eth0"\nneighbours = true\n[dns]\nv4 = ["%s"]\n' \
		"$RESOLVER" >/tmp/exit/config.toml
	proxy community add elm-street
	proxy invite elm-street --expires 1d --address "$EXIT:4454" | grep -o 'bm1[^ ]*' >/tmp/invitation
	# Without our function in between, so that the process id is the program's own.
	/bin/ip netns exec exit burstmesh-proxy --config /tmp/exit/config.toml run >/tmp/exit/log 2>&1 &
	echo $! >/tmp/exit/pid
	for try in 1 2 3 4 5 6 7 8 9 10; do
		proxy status --json >/dev/null 2>&1 && return 0
		sleep 1
	done
	cat /tmp/exit/log
	return 1
}

proxy() { inside exit burstmesh-proxy --config /tmp/exit/config.toml "$@"; }

# found: a community without an exit.
found() { burstmesh keygen --invitation elm-street >/tmp/invitation; }

# agent NUMBER [no-line | shares]: the gateway's agent, which lends its line, or has none, or shares its address too.
agent() {
	line=$(printf "\nconfig uplink 'wan'\n\toption ifname 'wan0'\n\toption lend '1'")
	[ "$2" = shares ] && line=$(printf "%s\n\toption share_address '1'" "$line")
	[ "$2" = no-line ] && line="	option no_uplink '1'"
	cat >"/tmp/g$1.uci" <<-END
		config community
			option invitation '$(cat /tmp/invitation)'
			option key_file '/tmp/g$1.key'
		$line

		config mesh
			option ifname 'mesh0'

		config client 'lan'
			option ifname 'lan0'
	END
	/bin/ip netns exec "g$1" burstmesh run --config "/tmp/g$1.uci" --socket "/tmp/g$1.sock" >"/tmp/g$1.log" 2>&1 &
	echo $! >"/tmp/g$1.pid"
}

status() { burstmesh status --json --socket "/tmp/g$1.sock"; }

# count NUMBER TEXT: how often the status of a gateway has it.
count() { status "$1" 2>/dev/null | grep -o "$2" | wc -l; }

# await LIMIT NUMBER COUNT TEXT: until the status has it exactly that often; how many seconds that took.
await() {
	begun=$(now)
	while [ "$(count "$2" "$4")" != "$3" ]; do
		if [ $(($(now) - begun)) -gt $(($1 * 100)) ]; then
			echo "gateway $2 has not $3 times $4 after $1 s:"
			status "$2"
			tail -n 20 "/tmp/g$2.log"
			return 1
		fi
		sleep 0.1
	done
	since "$begun"
}

# resident NUMBER: KiB of the agent's memory.
resident() { sed -n 's/VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$(cat "/tmp/g$1.pid")/status"; }

# spent PID: nanoseconds that a process has had the processor, all its threads. Interrupts that came meanwhile are in it.
spent() {
	total=0
	for task in /proc/"$1"/task/*/schedstat; do
		read -r time _ <"$task"
		total=$((total + time))
	done
	echo "$total"
}

# lonely: a gateway with its three ports, an invitation to a community where nobody else is, and the agent.
lonely() {
	space g1
	for port in wan0 lan0 mesh0; do
		ip link add "$port" netns g1 type veth peer name "far-$port"
		ip -n g1 link set "$port" up
		ip link set "far-$port" up
	done
	ip -n g1 address add 192.168.1.1/24 dev lan0
	# The example of docs/wire-format.md.
	echo bm1CGhpbGxzaWRlAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8BQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkICAMsAcQfnIgEgAQ24AAAAAAAAAAAAAAAH5yIBgKSn2gYAhoNtoA \
		>/tmp/invitation
	agent 1
	for try in 1 2 3 4 5; do
		status 1 >/dev/null 2>&1 && return 0
		sleep 1
	done
	cat /tmp/g1.log
	return 1
}
