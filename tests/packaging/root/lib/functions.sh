# A stand-in for OpenWrt's functions.sh: reads UCI files as `uci export` writes them, which are shell words.

# One line a call; empty words and words with spaces in quotes.
record() {
	local line="$1" word
	shift
	for word in "$@"; do
		case "$word" in
			*[\ \']* | '') line="$line '$word'" ;;
			*) line="$line $word" ;;
		esac
	done
	echo "$line" >>/tmp/calls
}

# As OpenWrt's busybox is built, without DESKTOP: there -R by itself follows links.
chown() {
	[ "$1" != -R ] || set -- -L "$@"
	busybox chown "$@"
}

killall() { record killall "$@"; }

logger() {
	local text
	text="$(cat)"
	record logger "$@" "$text"
}

config() {
	COUNT=$((COUNT + 1))
	SECTION="${2:-cfg$COUNT}"
	SECTIONS="$SECTIONS $1:$SECTION"
}

option() { eval "CONFIG_${SECTION}_$1=\$2"; }

# Values here have no spaces.
list() {
	LISTS="$LISTS CONFIG_${SECTION}_$1"
	eval "CONFIG_${SECTION}_$1=\"\${CONFIG_${SECTION}_$1:+\$CONFIG_${SECTION}_$1 }\$2\""
}

config_list_foreach() {
	local values value
	eval "values=\$CONFIG_$1_$2"
	for value in $values; do
		"$3" "$value"
	done
}

config_load() {
	local one
	for one in $LISTS; do unset "$one"; done
	LISTS=
	COUNT=0
	SECTIONS=
	. "/etc/config/$1"
}

config_foreach() {
	local pair
	for pair in $SECTIONS; do
		[ "${pair%%:*}" != "$2" ] || "$1" "${pair#*:}"
	done
}

config_get() { eval "$1=\${CONFIG_${2}_$3:-\$4}"; }

config_get_bool() {
	config_get "$@"
	eval "case \"\$$1\" in 1|on|true|yes|enabled) $1=1;; 0|off|false|no|disabled) $1=0;; *) $1=\$4;; esac"
}

# What opkg's scripts call, in the order of the real ones: the package's own script comes first, then its defaults and services.
default_postinst() {
	local info file
	info="/usr/lib/opkg/info/$(basename "${1%.*}")"
	[ ! -f "$info.postinst-pkg" ] || (. "$info.postinst-pkg")
	for file in $(grep '^/etc/uci-defaults/' "$info.list"); do
		[ ! -f "$file" ] || { (. "$file") && rm -f "$file"; }
	done
	for file in $(grep '^/etc/init.d/' "$info.list"); do
		[ "$PKG_UPGRADE" = 1 ] || /bin/sh /etc/rc.common "$file" enable
		/bin/sh /etc/rc.common "$file" start
	done
}

default_prerm() {
	local info file
	info="/usr/lib/opkg/info/$(basename "${1%.*}")"
	[ ! -f "$info.prerm-pkg" ] || (. "$info.prerm-pkg")
	for file in $(grep '^/etc/init.d/' "$info.list"); do
		[ "$PKG_UPGRADE" = 1 ] || /bin/sh /etc/rc.common "$file" disable
		/bin/sh /etc/rc.common "$file" stop
	done
}
