# Recording stand-ins for procd's shell functions.
for call in procd_set_param procd_close_instance procd_add_jail procd_send_signal \
	json_add_array json_close_array json_add_object json_close_object json_add_string; do
	eval "$call() { record $call \"\$@\"; }"
done

procd_open_instance() {
	record procd_open_instance "$@"
	touch /tmp/running
}

procd_add_reload_trigger() {
	record procd_add_reload_trigger "$@"
	echo "$1" >>/tmp/triggers
}

procd_add_validation() { "$@" '' ''; }
uci_load_validate() { record uci_load_validate "$@"; }
procd_running() { [ -e /tmp/running ]; }
