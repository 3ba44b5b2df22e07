"""A sample app that uses everything the Durable SDK 1.7 can emit or call; here only the registrations."""

import azure.durable_functions as df
import azure.functions as func
import client_functions
import ledger
import patterns

import activities

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
for blueprint in (activities.blueprint, patterns.blueprint, ledger.blueprint, client_functions.blueprint):
    app.register_functions(blueprint)
