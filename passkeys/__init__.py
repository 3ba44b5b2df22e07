"""The domain of passkeys: pure rules and the ports to the world.

Nothing here knows Azure Functions, Durable Functions, the environment or the clock: settings, time and
randomness are passed in (`passkeys.world.World`).
"""
