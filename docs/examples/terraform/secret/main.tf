# For a secret that Terraform creates. Terraform may write the first document only: after
# the first rotation the database refuses the password in that document, and whatever
# Terraform writes becomes AWSCURRENT.
#
# So run `terraform apply` once, then replace the resource "first" and its variable with
# the block "removed" below, and apply again. Terraform then forgets the version, and the
# version stays. If you left it in the state, Terraform would create it again from the
# first document, when the document changes here and when Secrets Manager has deleted that
# version.

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
  description = "The secret's first document, as JSON. It is not stored in the state or the plan."
  type        = string
  sensitive   = true
  ephemeral   = true
}

resource "aws_secretsmanager_secret_version" "first" {
  secret_id                = aws_secretsmanager_secret.mautic.id
  secret_string_wo         = var.first_document
  secret_string_wo_version = 1 # another number writes the document again

  lifecycle {
    ignore_changes = [version_stages] # a rotation moves labels and adds its own
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
# No aws_secretsmanager_secret_rotation here, because the stack has the schedule. Both
# would set the function and the schedule of the same secret, each on its next run.
