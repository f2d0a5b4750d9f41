"""Commands over MQTT: a closed list of verbs, judged before they are obeyed, each answered and written down."""
