"""What a pipeline knows of delivery. The MQTT implementation is `agent.mqtt`."""
