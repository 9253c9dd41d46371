# Where Terraform makes the secret. It may write the first document, and no other: after
# the first rotation that document has a password that is refused, and whatever Terraform
# writes becomes AWSCURRENT.
#
# So `terraform apply` once, then put the block "removed" below in the place of the
# resource "first" and its variable, and apply again. Terraform has forgotten the version
# then, and the version stays. Left in the state it is made anew, from the first document,
# when its document is changed here, and when Secrets Manager has deleted that version.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

resource "aws_secretsmanager_secret" "mautic" {
  name = "mautic-prod-secrets"
}

variable "first_document" {
  description = "The secret's first document, as JSON. It comes into no state and no plan."
  type        = string
  sensitive   = true
  ephemeral   = true
}

resource "aws_secretsmanager_secret_version" "first" {
  secret_id                = aws_secretsmanager_secret.mautic.id
  secret_string_wo         = var.first_document
  secret_string_wo_version = 1 # another number writes the document again

  lifecycle {
    ignore_changes = [version_stages] # a rotation moves labels, and has its own
  }
}

# removed {
#   from = aws_secretsmanager_secret_version.first
#   lifecycle {
#     destroy = false
#   }
# }
#
# Before Terraform 1.11: secret_string, with
#   ignore_changes = [secret_string, version_stages]
# and `terraform state rm aws_secretsmanager_secret_version.first` after the first apply.
#
# No aws_secretsmanager_secret_rotation here: the stack has the schedule. Both would set
# the function and the schedule of the same secret, each at its next run.
