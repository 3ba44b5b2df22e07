"""A blueprint in a module whose name another folder on the import path might have too: the app's own must win."""

import azure.functions as func

blueprint = func.Blueprint()


@blueprint.route(route="from-blueprint", auth_level=func.AuthLevel.ANONYMOUS)
def from_blueprint(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("blueprint")
