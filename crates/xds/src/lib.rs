//! The xDS protocol as a state machine, with client and server transports.
