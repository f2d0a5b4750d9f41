"""Delivery over MQTT: the one door to paho. `publisher` sends, `listener` receives, `reference` writes the manual."""
